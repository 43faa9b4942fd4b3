// RSASSA-PKCS1-v1_5 with MD5 on Node. test/e2e/worker-rsa-md5.test.ts has the same for workerd.
import { describe } from 'vitest'
import { verifyRsaMd5 } from '../../src/storage/oss/md5.ts'
import { verifiesRsaMd5 } from './rsa-md5.ts'

describe('verifyRsaMd5 on Node', () =>
  verifiesRsaMd5(async (publicKeyPem, message, signature) =>
    verifyRsaMd5(publicKeyPem, message, signature),
  ))
