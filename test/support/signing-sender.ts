// A sender that signs notifications: a key and its certificate, made for the tests with
// `openssl req -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=sender.test`, and the requests that it signs.
import { createHash, sign } from 'node:crypto'

export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIDDzCCAfegAwIBAgIUfSFL7K5jTxmIp67WJlxaiQrJfRIwDQYJKoZIhvcNAQEL
BQAwFjEUMBIGA1UEAwwLc2VuZGVyLnRlc3QwIBcNMjYxMTI4MDg0NzE3WhgPMjEy
NjExMDQwODQ3MTdaMBYxFDASBgNVBAMMC3NlbmRlci50ZXN0MIIBIjANBgkqhkiG
9w0BAQEFAAOCAQ8AMIIBCgKCAQEAm9RsMdMPUINSM2Gi8nSj6lLMofq6nWcyS6V/
cnzkpmUaB+BR1D/ackuf98dbmKAOBaq2RpOP7FhK42N4UERzQpmwGQD1ufy8xRp9
l2MJuZp+5UFXw1s8l/BSOcXW8wBDswvE91zArUhao6g6L9+tLr3QdsKR0WhaXSfZ
i3yZwYeFZnPba8F8WfX3SiUOdfKy10udDUOIJ1l48Oi20hZQVkiQ3IrL9FdkqWYl
VrXWYsOPme/QaMDrrTf32itAtIRZDo0GzdXgzfXdVkiilLzHKmCQEaC5f568WUzY
LdzxQTlg69KREawZnW03Taryf8EsPmAoFb2pBHIVGScqDuS40QIDAQABo1MwUTAd
BgNVHQ4EFgQUsyrLRg8rhDAU2oESJ0VIt711LJQwHwYDVR0jBBgwFoAUsyrLRg8r
hDAU2oESJ0VIt711LJQwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOC
AQEAPAfJWVuCJlM9beBUaCZurzTZXjVLKYR0EY81PfnwPuX+S3GpsQ646g9GwwG8
qSUqruUeNlz+iEgH4SLPIRp4A4T+rWQDOnAZsvcv3XmJj6HQVrwLR6jTt110Ylmk
V1xyi6vBM2DCk+xjngjv0D9MUp44+obwS8pA1CSj9jbnU7hgofuXyHXOmP3tmLyA
KpTj3vL00Ex1Foukui3Si/rW4lq4a0Lq95ce8MWN8SuTt6jddgP0h/Q3485zLWCS
xTsIgOt6DvYUXUnjWmRY1gLWYek+hUyC4HXHbVmUkUjNp0iydrWZ8izegI738pyp
JhbUlH8gGaJe3PPR1k+jFXOP3g==
-----END CERTIFICATE-----
`

const PRIVATE_KEY = `-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCb1Gwx0w9Qg1Iz
YaLydKPqUsyh+rqdZzJLpX9yfOSmZRoH4FHUP9pyS5/3x1uYoA4FqrZGk4/sWErj
Y3hQRHNCmbAZAPW5/LzFGn2XYwm5mn7lQVfDWzyX8FI5xdbzAEOzC8T3XMCtSFqj
qDov360uvdB2wpHRaFpdJ9mLfJnBh4Vmc9trwXxZ9fdKJQ518rLXS50NQ4gnWXjw
6LbSFlBWSJDcisv0V2SpZiVWtdZiw4+Z79BowOutN/faK0C0hFkOjQbN1eDN9d1W
SKKUvMcqYJARoLl/nrxZTNgt3PFBOWDr0pERrBmdbTdNqvJ/wSw+YCgVvakEchUZ
JyoO5LjRAgMBAAECggEAA2Y/F467rh1sahsIxTkyGqXW1OXqKjLPXveXLbKFbyFm
azk12hCZ0j77c7V99l1vxpY6m12cggwCnDd/LyqDG1JxMK+XNdtKbDcNQx8mS6A0
k4mG6tofI+GIRawDcxaP/vIY9hMxYiHGDLQjQazjhb7DhYxJayG8LqH9vK2Af5rN
nVXCEeyl+R2kUwof1eeFcEdWOqmp/35QL2tgCW7lVz7vcOubbgcDZBVU6gaaCm7O
Q1BDvCe3EvO2jAqsChmtNz+mPx27SbzqLmMqXJWkpLfIFW5Jvysx+v9FeWLu84uv
rbHJkmLGlbU9iic1o/rj1hjhLW8sYOr6P5u/D4Ng/QKBgQDUGZpYJEYXB7sJh2A1
LWdjir0/nojQBnKY+K26mD0DyyOqDhmZi/NxHEhD+p8CTC94Qw9LcStsI6qGgkqd
+qNrdQB+lWoHJzNUkkBbKO0qvFt3fq3pkYqX2x30biVz56R0UIu7OK2S6bWL6ZHU
CNU84syQxtZECZf8Hn1QOXyy/QKBgQC8FUR+SlcB1LuBY8/M3Y4epj+aKpVu1RI9
WmpeGRr/VHmBq0es1gL91hu2fL7t8Y2XOawduiSXTagCB8DMpEARcdJNiwetG+Zk
l6pXpTZH8bNtrfpLa2zvxQo4HbO7mmCUPFEAI5Z3AvHqfaPbqPHQHSQ0Q1ypcrVC
Br6hUAD3ZQKBgQC2ydnaXGiLMH5gl+qx6Y9QmiC+00HVBbl9W9NdHBZ5TnhN9hjZ
22LR+C3PaA3hTQcb/a8QtVdWuuYbRe5Id9ieoxbqAJp/z6jNGb2c0oiSbAHn2aTH
xkZK2OvX25UrblasZz4E+7ObCQ8MpR6oPXSIJG1n1/SQbjQtc5lLqj9tgQKBgDc1
7wM7g0rwTZJv4EH9D4kDuEvjEDaWqWIFNpAkwn4NKBXeV43uzLYCsePhvpJOhAfO
UC3xxGf9zcG60OfBl2UHinpkw34XYIxK0SAlSUfZNZiOp5iYEkRYDOXoIiiB6rPY
+NYXnEWXQbhZ5U3HzCQRSd1loL/FAlw9apwjxgTZAoGAJaD0RHfUhEDx7KFjvdgf
BaVmMGscDZBf7rgvSdf4LtGBGh0jGapZbbb7JA8AUaNurcdwqbUVMCvIXiBh1XmE
lHo5phwaqecHOtiyKBPK+ml0G4adKXlFOs3h0X1LqdM3xv4Fzj0+PQLP65/CCXGC
TaaKbgH5g14yQd0jeK4cyzY=
-----END PRIVATE KEY-----
`

const signed = (hash: 'sha1' | 'sha256', text: string) =>
  sign(hash, Buffer.from(text), PRIVATE_KEY).toString('base64')

export interface SentRequest {
  body: string
  headers: Record<string, string>
}

export const TOPIC = 'arn:aws:sns:us-west-2:123456789012:MyTopic'
const SNS_CERTIFICATE = 'https://sns.us-west-2.amazonaws.com/SimpleNotificationService-0.pem'

/** A message of SNS as it is posted; `changes` are signed, `forged` are not. */
export function snsMessage(
  changes: Record<string, string | undefined>,
  at: Date,
  forged: Record<string, string> = {},
): SentRequest {
  const message: Record<string, string | undefined> = {
    Type: 'Notification',
    Message: '{}',
    MessageId: crypto.randomUUID(),
    TopicArn: TOPIC,
    Timestamp: at.toISOString(),
    SignatureVersion: '2',
    SigningCertURL: SNS_CERTIFICATE,
    ...changes,
  }
  const fields = [
    'Message',
    'MessageId',
    'Subject',
    'SubscribeURL',
    'Timestamp',
    'Token',
    'TopicArn',
    'Type',
  ]
  const text = fields
    .filter((name) => message[name] !== undefined)
    .map((name) => `${name}\n${message[name]}\n`)
    .join('')
  const hash = message.SignatureVersion === '1' ? 'sha1' : 'sha256'
  const body = { ...message, Signature: signed(hash, text), ...forged }
  return { body: JSON.stringify(body), headers: { 'content-type': 'text/plain; charset=UTF-8' } }
}

const EVENTBRIDGE_CERTIFICATE =
  'https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/certificate.pem'

/** A request of Alibaba's EventBridge to this URL; `forged` headers are not signed. */
export function eventBridgeRequest(
  { url, token, event, at }: { url: string; token: string; event: unknown; at: Date },
  changes: Record<string, string> = {},
  forged: Record<string, string> = {},
): SentRequest {
  const headers: Record<string, string> = {
    'x-eventbridge-signature-timestamp': String(Math.floor(at.getTime() / 1000)),
    'x-eventbridge-hash-method': 'SHA256',
    'x-eventbridge-signature-version': '1.0',
    'x-eventbridge-signature-url': EVENTBRIDGE_CERTIFICATE,
    'x-eventbridge-signature-token': token,
    ...changes,
  }
  const body = JSON.stringify(event)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`)
  const text = `${url}\n${lines.join('')}${body}`
  const signature = { 'x-eventbridge-signature-v2': signed('sha256', text) }
  return {
    body,
    headers: { 'content-type': 'application/json', ...headers, ...signature, ...forged },
  }
}

const MNS_CERTIFICATE = 'https://mns-cert.oss-cn-hangzhou.aliyuncs.com/certificate.pem'

/** A push of an MNS topic to this path; `forged` headers are not signed. */
export function mnsPush(
  { path, body, at }: { path: string; body: string; at: Date },
  changes: Record<string, string> = {},
  forged: Record<string, string> = {},
): SentRequest {
  const headers: Record<string, string> = {
    'content-md5': Buffer.from(createHash('md5').update(body).digest('hex')).toString('base64'),
    'content-type': 'text/xml;charset=utf-8',
    date: at.toUTCString(),
    'x-mns-request-id': '57458276F0E3D56D7C00',
    'x-mns-signing-cert-url': Buffer.from(MNS_CERTIFICATE).toString('base64'),
    'x-mns-version': '2015-06-06',
    ...changes,
  }
  const own = Object.entries(headers)
    .filter(([name]) => name.startsWith('x-mns-'))
    .map(([name, value]) => `${name}:${value}`)
  const { date } = headers
  const text = ['POST', headers['content-md5'], headers['content-type'], date, ...own, path].join(
    '\n',
  )
  return { body, headers: { ...headers, authorization: signed('sha1', text), ...forged } }
}
