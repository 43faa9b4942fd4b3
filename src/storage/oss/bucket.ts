// The settings of a bucket on OSS: CORS, lifecycle, ACL, versioning. CORS and lifecycle are read and written whole.
import type { BucketSettings, LifecycleRule } from '../../core/ports/bucket-settings.ts'
import { isStoreFailure, StoreFailure } from '../../core/ports/store-failure.ts'
import { CORS, LIFECYCLE, readConfiguration, writeConfiguration } from '../rest/bucket-xml.ts'
import { sendToStore } from '../rest/send.ts'
import { parseXmlTree, textAt } from '../rest/xml-tree.ts'
import { ossDialect } from './dialect.ts'
import { contentMd5 } from './md5.ts'
import { type OssSignerOptions, ossSigner } from './sign.ts'

export interface OssBucketOptions extends OssSignerOptions {
  clock: () => Date
  fetch: typeof fetch
  timeoutMs?: number
}

type Setting = 'cors' | 'lifecycle' | 'acl' | 'versioning'

export function ossBucket(options: OssBucketOptions): BucketSettings {
  const signer = ossSigner(options)

  function send(
    method: 'GET' | 'PUT',
    setting: Setting,
    body?: string,
    extra: Record<string, string> = {},
  ) {
    // The MD5 keeps OSS from applying a configuration that was cut on its way.
    const headers = body
      ? { 'content-type': 'application/xml', 'content-md5': contentMd5(body), ...extra }
      : {}
    const call = { method, query: [[setting, '']] as const, headers }
    const signed = signer.byHeader(call, options.clock())
    const request = { method, ...signed, body, timeoutMs: options.timeoutMs }
    return sendToStore(options.fetch, request, ossDialect.failures)
  }

  async function read<Value>(
    setting: Setting,
    parse: (body: string) => Value | undefined,
    absent?: string,
  ): Promise<Value | undefined> {
    try {
      const { body, status } = await send('GET', setting)
      const value = parse(body)
      // Not undefined, because the caller would then overwrite the unreadable configuration.
      if (value === undefined) throw new StoreFailure('ambiguous', 'UnreadableAnswer', status)
      return value
    } catch (failure) {
      if (absent && isStoreFailure(failure, 'refused') && failure.code === absent) return undefined
      throw failure
    }
  }

  const rootOf = (body: string, name: string) => {
    const root = parseXmlTree(body)
    return root?.name === name ? root : undefined
  }

  return {
    readCors: () =>
      read('cors', (body) => readConfiguration(CORS, body), 'NoSuchCORSConfiguration'),

    async writeCors(configuration) {
      await send('PUT', 'cors', writeConfiguration(CORS, configuration))
    },

    readLifecycle: () =>
      read('lifecycle', (body) => readConfiguration(LIFECYCLE, body), 'NoSuchLifecycle'),

    async writeLifecycle(configuration) {
      // If a bucket has overlapping rules on purpose, OSS refuses to write them again without this header.
      const extra: Record<string, string> = hasOverlap(configuration.rules)
        ? { 'x-oss-allow-same-action-overlap': 'true' }
        : {}
      await send('PUT', 'lifecycle', writeConfiguration(LIFECYCLE, configuration), extra)
    },

    async readAcl() {
      const acl = await read('acl', (body) => {
        const root = rootOf(body, 'AccessControlPolicy')
        const list = root?.children.find(({ name }) => name === 'AccessControlList')
        return textAt(list, 'Grant')
      })
      return acl!
    },

    async readVersioning() {
      const root = await read('versioning', (body) => rootOf(body, 'VersioningConfiguration'))
      const status = textAt(root, 'Status')
      return status === 'Enabled' || status === 'Suspended' ? status : undefined
    },
  }
}

function hasOverlap(rules: readonly LifecycleRule[]): boolean {
  const prefixes = rules.map(({ prefix }) => prefix).sort()
  // In sorted order, a prefix is directly followed by the prefixes that begin with it.
  return prefixes.some((prefix, index) => prefixes[index + 1]?.startsWith(prefix))
}
