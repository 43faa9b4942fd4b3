// Tokens: each kind has its own type and key. Keys rotate by adding one last, moving it first, and removing the old one.
import { describe, expect, it } from 'vitest'
import { claimedKind, deriveTokenKeys, mintToken, openToken } from '../../../src/core/token.ts'

const master = (kid: string, fill: number) => ({ kid, secret: new Uint8Array(32).fill(fill) })
const claims = { app: 'app_1', upload: 'upl_1', exp: 2_000_000_000 }

describe('a token', () => {
  it('comes back as it was minted, and only as its own kind', async () => {
    const keys = await deriveTokenKeys([master('a', 1)])
    const token = await mintToken(keys, 'completion', claims)

    expect(claimedKind(token)).toBe('completion')
    expect(await openToken(keys, 'completion', token)).toEqual(claims)
    expect(await openToken(keys, 'upload', token)).toBeUndefined()
    expect(await openToken(keys, 'grant', token)).toBeUndefined()
  })

  it('has a separate key for each kind', async () => {
    const keys = await deriveTokenKeys([master('a', 1)])
    const secrets = [keys.grant, keys.upload, keys.completion].map((ring) =>
      Buffer.from(ring[0]!.secret).toString('hex'),
    )
    expect(new Set(secrets).size).toBe(3)
  })

  it('is refused when any character of it is changed', async () => {
    const keys = await deriveTokenKeys([master('a', 1)])
    const token = await mintToken(keys, 'completion', claims)
    for (let index = 0; index < token.length - 1; index += 3) {
      const changed = `${token.slice(0, index)}${token[index] === 'A' ? 'B' : 'A'}${token.slice(index + 1)}`
      expect(await openToken(keys, 'completion', changed), String(index)).toBeUndefined()
    }
  })

  it('outlives a rotation until its key is removed', async () => {
    const [a, b] = [master('a', 1), master('b', 2)]
    const before = await mintToken(await deriveTokenKeys([a]), 'completion', claims)
    const added = await deriveTokenKeys([a, b])
    const moved = await deriveTokenKeys([b, a])
    const removed = await deriveTokenKeys([b])
    const after = await mintToken(moved, 'completion', claims)

    expect(await openToken(moved, 'completion', before)).toEqual(claims)
    expect(await openToken(added, 'completion', after)).toEqual(claims)
    expect(await openToken(removed, 'completion', after)).toEqual(claims)
    expect(await openToken(removed, 'completion', before)).toBeUndefined()
  })
})
