// The report of `bucket apply` if the store refuses a change, ignores it, or loses rules.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { applyToBucket, checkBucket } from '../../../src/cli/bucket-work.ts'
import type {
  BucketConfiguration,
  BucketSettings,
  LifecycleRule,
} from '../../../src/core/ports/bucket-settings.ts'
import { StoreFailure } from '../../../src/core/ports/store-failure.ts'
import {
  CORS,
  LIFECYCLE,
  readConfiguration,
  writeConfiguration,
} from '../../../src/storage/rest/bucket-xml.ts'

const WANTED = { origins: ['https://a.org'], prefixes: ['photos/'], abortAfterDays: 8 }
const FOREIGN =
  '<LifecycleConfiguration><Rule><ID>logs</ID><Prefix>logs/</Prefix><Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule></LifecycleConfiguration>'

const denied = async (): Promise<never> => {
  throw new StoreFailure('refused', 'AccessDenied', 403)
}

/** A bucket in memory that stores documents, as a real one does. */
function aBucket(changes: Partial<BucketSettings> = {}) {
  const kept: { cors?: string; lifecycle?: string } = { lifecycle: FOREIGN }
  const settings: BucketSettings = {
    readCors: async () => (kept.cors ? readConfiguration(CORS, kept.cors) : undefined),
    writeCors: async (configuration) => {
      kept.cors = writeConfiguration(CORS, configuration)
    },
    readLifecycle: async () =>
      kept.lifecycle ? readConfiguration(LIFECYCLE, kept.lifecycle) : undefined,
    writeLifecycle: async (configuration) => {
      kept.lifecycle = writeConfiguration(LIFECYCLE, configuration)
    },
    readAcl: async () => 'private',
    readVersioning: async () => undefined,
    ...changes,
  }
  return { settings, kept }
}

beforeEach(() => {
  vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 500 })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('apply', () => {
  it('writes both, and says what it changed', async () => {
    const { settings } = aBucket()
    expect(await applyToBucket(settings, WANTED)).toMatchObject({
      failures: [],
      changes: [
        'CORS: added rule 1 for https://a.org',
        'Lifecycle: wrote rule "countersign-abort-photos": uploads under photos/ are aborted after 8 days; the other rule is unchanged',
      ],
    })
    expect(await applyToBucket(settings, WANTED)).toMatchObject({ failures: [], changes: [] })
  })

  it('still writes one setting if the other is refused, and names the permission', async () => {
    const { settings, kept } = aBucket({ writeCors: denied })
    const { changes, failures } = await applyToBucket(settings, WANTED)
    expect(failures).toEqual([
      'CORS could not be written: the store answered AccessDenied. Allow this key oss:PutBucketCors.',
    ])
    expect(changes).toHaveLength(1)
    expect(kept.lifecycle).toContain('countersign-abort-photos')
  })

  it('writes nothing over a configuration that it cannot read', async () => {
    const writeLifecycle = vi.fn()
    const { settings } = aBucket({ readLifecycle: denied, writeLifecycle })
    const { findings } = await applyToBucket(settings, WANTED)
    expect(writeLifecycle).not.toHaveBeenCalled()
    expect(findings).toContainEqual(
      expect.objectContaining({ about: 'Lifecycle', level: 'missing' }),
    )
  })

  it('checks again for a setting that does not show at once, and fails if it never does', async () => {
    let reads = 0
    const slow = aBucket()
    const { readCors } = slow.settings
    const late = { ...slow.settings, readCors: async () => (++reads < 3 ? undefined : readCors()) }
    expect(await applyToBucket(late, WANTED)).toMatchObject({ failures: [] })
    expect(reads).toBe(3)

    const { settings } = aBucket({ writeCors: async () => {} })
    const { changes, failures } = await applyToBucket(settings, WANTED)
    expect(failures).toEqual([
      'CORS: the change was written, but reading it back does not show it.',
    ])
    expect(changes.join()).not.toContain('CORS')
  })

  it('fails loudly if an earlier rule is gone', async () => {
    const { settings, kept } = aBucket()
    settings.writeLifecycle = async (configuration: BucketConfiguration<LifecycleRule>) => {
      kept.lifecycle = writeConfiguration(LIFECYCLE, {
        rules: configuration.rules.filter(({ id }) => id !== 'logs'),
      })
    }
    expect((await applyToBucket(settings, WANTED)).failures).toEqual([
      'Lifecycle: an earlier rule has disappeared. Check the rules in the OSS console.',
    ])
  })
})

it('check writes nothing, and a store without an answer is no finding', async () => {
  const { settings, kept } = aBucket()
  const { findings } = await checkBucket(settings, WANTED)
  expect(findings.filter(({ level }) => level === 'missing')).toHaveLength(2)
  expect(kept).toEqual({ lifecycle: FOREIGN })

  settings.readCors = async () => {
    throw new StoreFailure('ambiguous', 'NoAnswer', 0)
  }
  await expect(checkBucket(settings, WANTED)).rejects.toMatchObject({ code: 'NoAnswer' })
})
