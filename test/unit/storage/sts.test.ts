// The AssumeRole client: the request, which callers share an answer, and the meaning of each answer.
import { describe, expect, it } from 'vitest'
import { sessionPolicy, stsClient } from '../../../src/storage/aliyun/sts.ts'

const ANSWER = {
  Credentials: {
    AccessKeyId: 'STS.id',
    AccessKeySecret: 'secret',
    SecurityToken: 'token',
    Expiration: '2026-01-01T01:00:00Z',
  },
}

function client(answer: () => Response | Promise<Response> = () => Response.json(ANSWER)) {
  const sent: Array<{ url: string; headers: Headers; form: URLSearchParams }> = []
  const issue = stsClient({
    endpoint: 'https://sts.cn-hangzhou.aliyuncs.com',
    roleArn: 'acs:ram::1:role/uploads',
    bucket: 'bucket',
    credentials: { accessKeyId: 'own-id', secretAccessKey: 'own-secret' },
    clock: () => new Date('2026-01-01T00:00:00Z'),
    newNonce: () => `nonce-${sent.length}`,
    fetch: async (input, init) => {
      const form = new URLSearchParams(String(init?.body))
      sent.push({ url: String(input), headers: new Headers(init?.headers), form })
      return answer()
    },
  })
  return { issue, sent }
}

describe('the call', () => {
  it('names role, session and life, and narrows them to the one key', async () => {
    const { issue, sent } = client()

    const issued = await issue({ key: 'app/upl_1/a+b.bin' }, 'session-1', 3600)

    expect(issued).toEqual({
      accessKeyId: 'STS.id',
      secretAccessKey: 'secret',
      sessionToken: 'token',
      expiresAt: new Date('2026-01-01T01:00:00Z'),
    })
    expect(sent).toHaveLength(1)
    expect(sent[0]!.url).toBe('https://sts.cn-hangzhou.aliyuncs.com/')
    expect(Object.fromEntries(sent[0]!.form)).toEqual({
      DurationSeconds: '3600',
      Policy:
        '{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:PutObject","oss:AbortMultipartUpload","oss:ListParts"],"Resource":["acs:oss:*:*:bucket/app/upl_1/a+b.bin"]}]}',
      RoleArn: 'acs:ram::1:role/uploads',
      RoleSessionName: 'session-1',
    })
  })

  it('is shared only by concurrent calls for the same session and scope', async () => {
    const { issue, sent } = client()

    await Promise.all([
      issue({ key: 'k' }, 'session-1', 3600),
      issue({ key: 'k' }, 'session-1', 3600),
      issue({ key: 'k' }, 'session-2', 3600),
      issue({ key: 'l' }, 'session-1', 3600),
    ])
    expect(sent).toHaveLength(3)

    await issue({ key: 'k' }, 'session-1', 3600)
    expect(sent).toHaveLength(4)
  })

  it('is not made if the policy would exceed 2,048 bytes', async () => {
    const { issue, sent } = client()
    const longest = 2048 - sessionPolicy('bucket', { key: '' })!.length

    await issue({ key: 'k'.repeat(longest) }, 'session-1', 900)
    await expect(issue({ key: 'k'.repeat(longest + 1) }, 'session-1', 900)).rejects.toMatchObject({
      kind: 'refused',
      code: 'PolicyTooLong',
    })

    expect(sent).toHaveLength(1)
  })
})

describe('an answer', () => {
  it.each([
    [
      'a definite no',
      () => Response.json({ Code: 'NoPermission' }, { status: 403 }),
      'refused',
      'NoPermission',
    ],
    [
      'an error of theirs',
      () => Response.json({ Code: 'InternalError' }, { status: 500 }),
      'ambiguous',
      'InternalError',
    ],
    ['no JSON', () => new Response('<html>'), 'ambiguous', 'UnreadableAnswer'],
    ['a 200 without credentials', () => Response.json({}), 'ambiguous', 'UnreadableAnswer'],
    ['none', () => Promise.reject(new TypeError('reset')), 'ambiguous', 'NoAnswer'],
  ] as const)('that is %s is %s', async (_, answer, kind, code) => {
    const { issue, sent } = client(answer)

    await expect(issue({ key: 'k' }, 'session-1', 900)).rejects.toMatchObject({ kind, code })
    await expect(issue({ key: 'k' }, 'session-1', 900)).rejects.toMatchObject({ kind, code })
    expect(sent).toHaveLength(2) // a failure is not shared with those who come later
  })
})
