// `/?acl` and `/?versioning`: stored and read back, so that warnings about them can be tested. They have no effect, because
// every request needs a signature and an object has one version.
import { textAt } from '../../../storage/rest/xml-tree.ts'
import { invalidArgument, refusal } from '../refusal.ts'
import type { Handler } from '../services.ts'
import { element, xmlReply } from '../xml.ts'
import { readDocument } from './document.ts'

const ACLS = ['private', 'public-read', 'public-read-write']
const MAX_BYTES = 4096
/** The embedded store has no accounts, so every bucket has this owner. */
const OWNER = '0000000000000000'

export const ownerElement = (): string =>
  element('Owner', [element('ID', OWNER), element('DisplayName', OWNER)])

/** The access list of the bucket or of an object. */
export const aclReply = (grant: string) =>
  xmlReply(
    element('AccessControlPolicy', [
      ownerElement(),
      element('AccessControlList', [element('Grant', grant)]),
    ]),
  )

export const getAcl: Handler = async (_, { settings }) => aclReply(settings.get('acl') ?? 'private')

export const putAcl: Handler = async ({ headers }, { settings }) => {
  const acl = headers['x-oss-acl'] ?? ''
  if (!ACLS.includes(acl)) {
    throw invalidArgument('x-oss-acl', acl, `x-oss-acl must be ${ACLS.join(', ')}.`)
  }
  await settings.set('acl', acl)
  return { status: 200 }
}

export const getVersioning: Handler = async (_, { settings }) => {
  const status = settings.get('versioning')
  return xmlReply(
    element('VersioningConfiguration', status === undefined ? [] : [element('Status', status)]),
  )
}

export const putVersioning: Handler = async (request, { settings }) => {
  const { root } = await readDocument(request, MAX_BYTES, 'VersioningConfiguration')
  const status = textAt(root, 'Status') ?? ''
  if (!['Enabled', 'Suspended'].includes(status)) throw refusal('MalformedXML')
  await settings.set('versioning', status)
  return { status: 200 }
}
