// DATA_DIR in embedded mode: generated keys, the embedded store's credentials, the demo app. Only its owner reads the files.
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

/** Writes another file and renames it, so that a crash leaves the old content or the new. */
export async function writeSecret(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.new`
  await writeFile(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  await chmod(temporary, 0o600)
  await rename(temporary, path)
}

/** Under root, PostgreSQL runs as another user and must reach its own folder in here; it still cannot list this one. */
export async function openDataDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, process.getuid?.() === 0 ? 0o711 : 0o700)
}

interface KeyFile {
  adminKey: string
  secretKeys: Array<{ kid: string; secret: string }>
}

/** Reads the keys of an embedded service, and generates them the first time. */
export async function embeddedKeys(directory: string) {
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

/** Reads the embedded store's credentials, and generates them the first time. Each start writes them with its endpoint. */
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

/** The app `demo`, which the CLI and the page use. Created again if this database does not know the key that is on disk. */
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
  await apps.createApp(
    { id: appId, name: 'demo', keyPrefix: `demo-${appId.slice(-8)}`, allowedOrigins: ['*'] },
    { keyId: newId('key'), hash },
    standardPolicy({ readBack: true }),
    clock(),
  )
  const created = { url, apiKey, appId }
  await writeSecret(path, created)
  return created
}
