// Measures one slice in its own process: a warm-up, then runs for the given time. Prints the median of a unit in microseconds.
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

export async function measure(run, { seconds, unitsPerRun }) {
  const runFor = async (span) => {
    const times = []
    const end = performance.now() + span * 1000
    do {
      const began = performance.now()
      await run()
      times.push((performance.now() - began) * 1000)
    } while (performance.now() < end)
    return times
  }
  await runFor(seconds / 2)
  console.log(JSON.stringify({ value: median(await runFor(seconds)) / unitsPerRun }))
}
