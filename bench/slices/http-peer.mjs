// @uppy/companion in Express, as its README mounts it.
import { tmpdir } from 'node:os'
import companion from '@uppy/companion'
import express from 'express'
import session from 'express-session'
import { EXAMPLE } from '../signing-example.mjs'

const { bucket, credentials, expiresSeconds } = EXAMPLE
const app = express()
app.use(express.json())
app.use(session({ secret: 'bench-secret', resave: false, saveUninitialized: false }))
app.use(
  companion.app({
    filePath: tmpdir(),
    secret: 'bench-secret',
    uploadUrls: ['http://127.0.0.1'],
    corsOrigins: true,
    server: { host: '127.0.0.1', protocol: 'http' },
    providerOptions: {},
    s3: {
      key: credentials.accessKeyId,
      secret: credentials.secretAccessKey,
      bucket,
      region: 'us-east-1',
      expires: expiresSeconds,
    },
  }).app,
)
const server = app.listen(0, '127.0.0.1', () => process.send(server.address().port))
process.on('disconnect', () => process.exit())
