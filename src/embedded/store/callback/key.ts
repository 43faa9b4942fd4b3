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
import { ignoreMissing } from '../disk/layout.ts'

export type CallbackKey = Awaited<ReturnType<typeof openCallbackKey>>

export async function openCallbackKey(directory: string) {
  const path = join(directory, 'callback-key.pem')
  const stored = await readFile(path).catch(ignoreMissing)
  const privateKey = stored ? createPrivateKey(stored) : await makeKey(path)
  const publicKeyPem = createPublicKey(privateKey)
    .export({ type: 'spki', format: 'pem' })
    .toString()
  return {
    publicKeyPem,
    /** RSASSA-PKCS1-v1_5 with MD5, in base64: signature version 1.0 of OSS. */
    sign: (text: Uint8Array) => createSign('md5').update(text).sign(privateKey, 'base64'),
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
