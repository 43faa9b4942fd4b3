// The seed of a run, from FAULTS_SEED or new, and a generator of numbers from a seed.
export const seedOf = (): number =>
  Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 0x7fffffff))

/** Mulberry32: returns whole numbers below the given one. */
export function random(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}
