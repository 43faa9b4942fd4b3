// Issuers shared by everybody are trusted only with a claim that names an owner.
import { expect, it } from 'vitest'
import { requireOwner } from '../../../src/core/shared-issuers.ts'

const GITHUB = 'https://token.actions.githubusercontent.com'
const GITLAB = 'https://gitlab.com'
const GOOGLE = 'https://accounts.google.com'

it.each([
  [GITHUB, { repository_owner_id: ['65'] }],
  [GITHUB, { repository: ['acme/*', 'acme/app', 'umbrella/a*'] }],
  [GITHUB, { repository: ['acme/*'], ref: ['*'] }],
  [`${GITHUB}/acme-enterprise`, undefined],
  [GITLAB, { namespace_id: ['72', '73'] }],
  [GOOGLE, { azp: ['1234.apps.googleusercontent.com'] }],
  [GOOGLE, { hd: ['acme.com'] }],
  ['https://acme.eu.auth0.com/', undefined],
  ['https://gitlab.acme.com', undefined],
])('takes %s with %j', (issuer, claims) => {
  expect(() => requireOwner(issuer, claims)).not.toThrow()
})

it.each([
  [GITHUB, undefined],
  [GITHUB, {}],
  [GITHUB, { repository: ['acme*'] }],
  [GITHUB, { repository: ['*/app'] }],
  [GITHUB, { repository: ['/app'] }],
  [GITHUB, { repository: ['a*/app'] }],
  [GITHUB, { repository: ['acme/*', '*'] }],
  [GITHUB, { repository_owner_id: ['6*'] }],
  [GITHUB, { repository_owner: ['acme'] }],
  [GITHUB, { ref: ['refs/heads/main'] }],
  [`${GITHUB}/`, {}],
  [GITLAB, { project_path: ['acme/app'] }],
  [GITLAB, { namespace_id: ['*'] }],
  ['https://GitLab.com/', {}],
  [GOOGLE, { email: ['ada@acme.com'] }],
  [GOOGLE, { hd: ['*.acme.com'] }],
  ['accounts.google.com', {}],
])('refuses %s with %j', (issuer, claims) => {
  expect(() => requireOwner(issuer, claims)).toThrow(
    expect.objectContaining({ code: 'issuer-needs-claims', status: 422 }),
  )
})

it('says which claims name the owner, and how', () => {
  expect(() => requireOwner(GITHUB)).toThrow(
    'Anybody can get a token of GitHub Actions for this audience. Give claims with repository_owner_id or repository, ' +
      'each of its patterns with its owner spelt out, such as {"repository":["acme/*"]}.',
  )
})
