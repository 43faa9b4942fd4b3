// AssumeRole of the embedded store: the limits of its parameters.
import { expect, test } from 'vitest'
import { BUCKET, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()

const policyOf = (bytes: number) => {
  const text = (key: string) =>
    JSON.stringify({
      Version: '1',
      Statement: [
        { Effect: 'Allow', Action: ['oss:PutObject'], Resource: [`acs:oss:*:*:${BUCKET}/${key}`] },
      ],
    })
  return text('k'.repeat(bytes - text('').length))
}

test.each([
  ['a name of 64 characters', { RoleSessionName: `upl_${'x'.repeat(60)}` }, 200, undefined],
  ['a name of 65', { RoleSessionName: 'x'.repeat(65) }, 400, 'InvalidParameter.RoleSessionName'],
  ['a name of 1', { RoleSessionName: 'x' }, 400, 'InvalidParameter.RoleSessionName'],
  ['a policy of 2048 bytes', { Policy: policyOf(2048) }, 200, undefined],
  ['a policy of 2049', { Policy: policyOf(2049) }, 400, 'InvalidParameter.PolicySize'],
])('%s', async (_, parameters, status, code) => {
  const answer = await context.assumeRole({ RoleSessionName: 'test', ...parameters })

  expect(answer).toMatchObject({ status, code })
})

test('the longest policy still binds', async () => {
  const parameters = { RoleSessionName: 'test', Policy: policyOf(2048) }
  const { credentials } = await context.assumeRole(parameters)

  const answer = await context.call('PUT', 'other', { body: 'x', credentials })

  expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' })
})
