// `overwrite: never`: an object that exists stays as it is, whoever writes, and a race has one winner.
import { expect, test } from 'vitest'
import type { ObjectSpec } from '../../../src/core/stored.ts'
import { type Bench, expectRefused, failureKind, KIND, needs, send, text } from './bench.ts'

const FIRST = text('first')

export function createOnly(bench: Bench) {
  const never = (more: Partial<ObjectSpec> = {}) => bench.spec({ overwrite: 'never', ...more })
  const completeNever = (upload: Awaited<ReturnType<Bench['initiate']>>) =>
    bench.complete(upload, 'never')

  test('creates where there is nothing', async () => {
    await completeNever(await bench.uploadOf(FIRST, never()))

    await bench.expectBytes(bench.key(), FIRST)
  })

  test('refuses an upload over an object, at its beginning or at its completion', async () => {
    await bench.put(FIRST)

    const second = async () => completeNever(await bench.uploadOf(text('second'), never()))

    expect(await failureKind(second())).toBe(KIND.exists)
    await bench.expectBytes(bench.key(), FIRST)
  })

  test('refuses a completion over an object that came after the upload began', async () => {
    const upload = await bench.uploadOf(text('second'), never())
    await bench.put(FIRST)

    expect(await failureKind(completeNever(upload))).toBe(KIND.exists)
    await bench.expectBytes(bench.key(), FIRST)
  })

  test('refuses an empty object over an object', async () => {
    await bench.put(FIRST)

    expect(await failureKind(bench.store.putEmpty(never()))).toBe(KIND.exists)
    await bench.expectBytes(bench.key(), FIRST)
  })

  test('lets one of several completions win', async (context) => {
    context.skip(bench.subject.overwritesInRaces === true)
    const contents = ['zero', 'one', 'two', 'three', 'four', 'five'].map(text)
    const uploads = await Promise.all(contents.map((content) => bench.uploadOf(content, never())))

    const winner = await onlyWinner(uploads.map(completeNever))

    await bench.expectBytes(bench.key(), contents[winner]!)
  })

  test('lets one of a completion and an empty object win', async (context) => {
    context.skip(bench.subject.overwritesInRaces === true)
    const upload = await bench.uploadOf(FIRST, never())

    const winner = await onlyWinner([completeNever(upload), bench.store.putEmpty(never())])

    await bench.expectBytes(bench.key(), [FIRST, text('')][winner]!)
  })

  test('lets one of several single PUTs win', async (context) => {
    needs(context, bench.store.createOnlyPut || undefined)
    const contents = ['zero', 'one', 'two', 'three', 'four', 'five'].map(text)

    const answers = await Promise.all(
      contents.map((content) => send(bench.signPut(content, never()), content)),
    )

    const winners = contents.filter((_, index) => answers[index]!.status === 200)
    expect(winners).toHaveLength(1)
    for (const answer of answers) if (answer.status !== 200) expectRefused(answer)
    await bench.expectBytes(bench.key(), winners[0]!)
  })

  /** The index of the one call that succeeds. A store may tell a loser to try again. */
  async function onlyWinner(calls: Array<Promise<void>>): Promise<number> {
    const outcomes = await Promise.all(
      calls.map((call) =>
        call.then(
          () => 'won',
          (error) => failureKind(Promise.reject(error)),
        ),
      ),
    )
    const losers = outcomes.filter((outcome) => outcome !== 'won')
    expect(losers).toHaveLength(calls.length - 1)
    for (const kind of losers) expect([KIND.exists, 'ambiguous']).toContain(kind)
    return outcomes.indexOf('won')
  }
}
