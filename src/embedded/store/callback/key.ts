// The RSA key that signs callbacks. The first start writes it to the store's directory, readable by its owner only.
import {
  createPrivateKey,
  createPublicKey,
  createSign,
  generateKeyPair,
  type KeyObject,
} from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isMissing } from '../disk/layout.ts'

export interface CallbackKey {
  publicKeyPem: string
  /** RSASSA-PKCS1-v1_5 with MD5, in base64: signature version 1.0 of OSS. */
  sign(text: Uint8Array): string
}

export async function openCallbackKey(directory: string): Promise<CallbackKey> {
  const path = join(directory, 'callback-key.pem')
  const privateKey = (await loadKey(path)) ?? (await makeKey(path))
  const publicKeyPem = createPublicKey(privateKey)
    .export({ type: 'spki', format: 'pem' })
    .toString()
  return {
    publicKeyPem,
    sign: (text) => createSign('md5').update(text).sign(privateKey, 'base64'),
  }
}

async function loadKey(path: string): Promise<KeyObject | undefined> {
  try {
    return createPrivateKey(await readFile(path))
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function makeKey(path: string): Promise<KeyObject> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const temporary = `${path}.tmp`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  return privateKey
}
