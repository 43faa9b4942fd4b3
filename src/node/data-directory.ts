// DATA_DIR in embedded mode: generated keys, the embedded store's credentials, the demo app. Secret files are 0600.
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newApiKey } from '../auth/api-key.ts'
import { base64url, fromBase64url } from '../bytes/encoding.ts'
import { sha256Hex } from '../bytes/sha256.ts'
import { standardPolicy } from '../core/policy.ts'
import type { Services } from '../core/ports/services.ts'

async function readJson<Value>(path: string): Promise<Value | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Value
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`${path} cannot be read: ${String(error)}. Repair or remove it.`)
  }
}

/** Whole or not at all: written aside, then renamed. */
export async function writeSecret(path: string, value: unknown): Promise<void> {
  const aside = `${path}.new`
  await writeFile(aside, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  await chmod(aside, 0o600)
  await rename(aside, path)
}

/** As root, another user's PostgreSQL has to pass through; nothing in it can be listed. */
export async function openDataDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, process.getuid?.() === 0 ? 0o711 : 0o700)
}

export interface Keys {
  adminKey: string
  secretKeys: Array<{ kid: string; secret: Uint8Array<ArrayBuffer> }>
}

interface KeyFile {
  adminKey: string
  secretKeys: Array<{ kid: string; secret: string }>
}

/** The keys of an embedded service, generated once. */
export async function embeddedKeys(directory: string): Promise<Keys> {
  const path = join(directory, 'keys.json')
  let file = await readJson<KeyFile>(path)
  if (!file) {
    file = {
      adminKey: randomBytes(24).toString('base64url'),
      secretKeys: [{ kid: 'k1', secret: randomBytes(32).toString('base64url') }],
    }
    await writeSecret(path, file)
  }
  return {
    adminKey: file.adminKey,
    secretKeys: file.secretKeys.map(({ kid, secret }) => ({ kid, secret: fromBase64url(secret)! })),
  }
}

export interface StoreCredentials {
  region: string
  bucket: string
  accessKeyId: string
  secretAccessKey: string
}

/** The embedded store's credentials, generated once; its endpoint is written on each start. */
export async function embeddedStoreCredentials(directory: string): Promise<StoreCredentials> {
  const known = await readJson<StoreCredentials>(join(directory, 'store.json'))
  if (known?.secretAccessKey) return known
  return {
    region: 'local',
    bucket: 'countersign',
    accessKeyId: `LTAI${randomBytes(8).toString('hex')}`,
    secretAccessKey: base64url(randomBytes(24)),
  }
}

interface CliFile {
  url: string
  apiKey: string
  appId: string
}

/** The app `demo`, made once; the CLI and the page use it. A key of another database is not taken for ours. */
export async function demoApp(
  directory: string,
  url: string,
  { apps, newId, clock }: Pick<Services, 'apps' | 'newId' | 'clock'>,
): Promise<CliFile> {
  const path = join(directory, 'cli.json')
  const known = await readJson<CliFile>(path)
  if (known && (await apps.findApiKey(known.appId, sha256Hex(known.apiKey)))) {
    const current = { ...known, url }
    await writeSecret(path, current)
    return current
  }
  const appId = newId('app')
  const { apiKey, hash } = newApiKey(appId, randomBytes)
  const app = {
    id: appId,
    name: 'demo',
    keyPrefix: `demo-${appId.slice(-8)}`,
    allowedOrigins: ['*'],
  }
  await apps.createApp(
    app,
    { keyId: newId('key'), hash },
    standardPolicy({ readBack: true }),
    clock(),
  )
  const made = { url, apiKey, appId }
  await writeSecret(path, made)
  return made
}
