// The suite of every ObjectStore, for the OSS dialect on the embedded store: with a long-lived key, and with a session.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RawRequest, TemporaryCredentials } from '../../src/core/ports/object-store.ts'
import type { Oss4Credentials } from '../../src/signing/oss4.ts'
import { apiCaller } from '../../src/storage/aliyun/api.ts'
import { stsClient } from '../../src/storage/aliyun/sts.ts'
import { oss } from '../../src/storage/oss/index.ts'
import { BUCKET, CREDENTIALS, useEmbeddedStore } from '../support/embedded-store.ts'
import { describeObjectStore, type StoreUnderTest } from './object-store.ts'

const ROLE = 'acs:ram::1:role/embedded'

const context = useEmbeddedStore()
let receiver: Server
let callbacks: { url: string; received: RawRequest[] }

beforeEach(async () => {
  const received: RawRequest[] = []
  receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const [rawPath, query] = request.url!.split('?')
    received.push({
      method: request.method!,
      rawPath: rawPath!,
      rawQuery: query === undefined ? '' : `?${query}`,
      headers: new Headers(request.headers as Record<string, string>),
      body: Buffer.concat(chunks),
    })
    response.setHeader('content-length', 2).end('{}')
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
  context.serviceUrls = [origin]
  callbacks = { url: `${origin}/v1/callbacks/default`, received }
})

afterEach(() => {
  receiver.closeAllConnections()
  receiver.close()
})

const api = () => ({
  endpoint: context.store.url,
  credentials: CREDENTIALS,
  clock: () => context.now,
  fetch,
  newNonce: () => crypto.randomUUID(),
})

function open(credentials: Oss4Credentials, options: Partial<Parameters<typeof oss>[0]> = {}) {
  const address = { url: context.store.url, addressing: 'path' } as const
  return oss({
    name: 'default',
    bucket: BUCKET,
    region: 'local',
    endpoint: address,
    publicEndpoint: address,
    credentials,
    bindLength: true,
    clock: () => context.now,
    fetch,
    callbackKeyPem: context.store.callbackPublicKeyPem,
    ...options,
  })
}

const subject = (store: StoreUnderTest['store']): StoreUnderTest => ({
  store,
  now: () => context.now,
  advance: context.advance,
  openWith: (credentials: TemporaryCredentials) => open(credentials),
  callbacks,
})

const openWithKey = () =>
  open(CREDENTIALS, { issueCredentials: stsClient({ ...api(), roleArn: ROLE, bucket: BUCKET }) })

/** A session of everything, as a service has that runs under a role. It may not assume another. */
async function openWithSession() {
  const form = { RoleArn: ROLE, RoleSessionName: 'service' }
  const answer = await apiCaller('2015-04-01', api())('AssumeRole', { form })
  const session = answer.Credentials as Record<string, string>
  const credentials = {
    accessKeyId: session.AccessKeyId!,
    secretAccessKey: session.AccessKeySecret!,
    sessionToken: session.SecurityToken!,
  }
  return open(credentials, { credentialsExpireAt: new Date(session.Expiration!) })
}

describeObjectStore('oss on the embedded store', () => subject(openWithKey()))

describeObjectStore('oss on the embedded store, in a session', async () => ({
  ...subject(await openWithSession()),
  quick: true,
}))

test.each([
  ['a session name of 64 characters', { RoleSessionName: 'n'.repeat(64) }, undefined],
  ['one of 65', { RoleSessionName: 'n'.repeat(65) }, 'InvalidParameter.RoleSessionName'],
  ['a policy of 2,048 bytes', { Policy: policyOf(2048) }, undefined],
  ['one of 2,049', { Policy: policyOf(2049) }, 'InvalidParameter.PolicySize'],
])('AssumeRole with %s', async (_, more, code) => {
  const form = { RoleArn: ROLE, RoleSessionName: 'service', ...more }
  const call = apiCaller('2015-04-01', api())('AssumeRole', { form })

  if (code) await expect(call).rejects.toMatchObject({ code })
  else await expect(call).resolves.toHaveProperty('Credentials')
})

function policyOf(bytes: number): string {
  const scope = (key: string) => ({ Effect: 'Allow', Action: ['oss:PutObject'], Resource: [key] })
  const policy = (key: string) => JSON.stringify({ Version: '1', Statement: [scope(key)] })
  return policy('k'.repeat(bytes - policy('').length))
}

// Otherwise a feature that vanishes would only be skipped.
test('oss has every optional feature', () => {
  const store = openWithKey()

  expect([store.createOnlyPut, store.bindsLength]).toEqual([true, true])
  const { presignForm, presignComplete, copyPart, issueCredentials } = store
  for (const feature of [presignForm, presignComplete, copyPart, issueCredentials]) {
    expect(feature).toBeTypeOf('function')
  }
})
