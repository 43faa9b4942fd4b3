// Advice for each problem code, beside the `detail` of one answer. docs/problems.md and the page /docs/problems are made from
// it. Backticks mark code.
import type { ProblemCode } from './problem.ts'

export const ADVICE: Record<ProblemCode, string> = {
  'invalid-request':
    'Correct the request: `errors` names each field by a JSON pointer. Repeating it unchanged fails again.',
  unauthenticated:
    'Send `Authorization: Bearer …` with a credential that has not expired. A fresh upload token comes with `GET /v1/uploads/{id}`; a fresh grant or JWT comes from your backend or identity provider.',
  forbidden:
    'Use the kind of credential that `detail` names, or ask the app’s operator to change the policy or `allowedOrigins`.',
  'policy-not-found':
    'Name a policy that the app has, or leave it out where there is one called `default`. The operator sets it with `PUT /v1/apps/{id}/policies/{name}`.',
  'content-type-not-allowed':
    'Upload a file of a type that the policy lists in `contentTypes`, and declare it as `contentType`.',
  'grant-exhausted': 'Ask the app’s backend for a new grant.',
  'grant-revoked': 'Ask the app’s backend for a new grant.',
  'callback-not-verified':
    'Only a store calls this address. If yours is refused, see that `PUBLIC_URL` or `CALLBACK_URLS` is the address that it calls, and that the bucket is the configured one.',
  'completion-token-invalid':
    'Send the completion token of this very upload, or an api key. It comes with the answer that created or resumed the upload.',
  'not-found': 'Check the path against `/openapi.json`, and the id and whose it is.',
  'upload-not-found':
    'Check the id and the credential: to everybody but its owner and its app an upload does not exist.',
  'method-not-allowed': 'Use a method that `/openapi.json` names for this path.',
  'upload-not-open': 'The upload has ended: `state` says how. Create a new one.',
  'upload-expired': 'Create a new upload.',
  'upload-completing':
    'Repeat after `Retry-After`, or ask `GET /v1/uploads/{id}`: its outcome is decided without you.',
  'upload-held': 'Wait until the app releases the object.',
  'idempotency-conflict': 'Repeat the same request after a moment: it answers what the first did.',
  'issuer-taken':
    'The pair of issuer and audience is registered, by this or another app. Use an audience of your own.',
  'issuer-needs-claims':
    'Everybody can get a token of this issuer. Give `claims` a claim that `detail` names, with patterns that spell out its owner, such as `acme/*`.',
  'subject-prefix-conflict':
    'Choose a `subjectPrefix` that neither begins another issuer’s nor begins with it, or use the very same to join their subjects.',
  'key-prefix-taken': 'Choose another `keyPrefix`: no prefix may contain another app’s.',
  'object-exists':
    'Choose another name, or have the policy say `overwrite: "replace"`. The object that is there was not touched.',
  'object-mismatch': 'Create a new upload and send the file again; `detail` says what differs.',
  'storage-upload-lost':
    '`GET /v1/uploads/{id}` begins it anew under the same id; then send the parts that it calls missing.',
  'file-too-large': 'Upload a smaller file: `maxSizeBytes` is the most.',
  'payload-too-large':
    'Send less at once: fewer part numbers or smaller metadata. The bytes of a file never go through the service, but to the URLs that it signs.',
  'unsupported-media-type': 'Send JSON with `Content-Type: application/json`.',
  'checksum-mismatch':
    'The bytes changed on their way, or another file was declared. Compare the file with its checksum, and send the parts or the upload again.',
  'checksum-unsupported': 'Use a kind of checksum that `detail` names, or leave it out.',
  'idempotency-key-reused': 'Use a new `Idempotency-Key` for each different request.',
  'part-out-of-range': 'Ask for parts 1 to `lastPartNumber`.',
  'parts-mismatch':
    'Send the parts that the answer names as missing or of a wrong size, then complete again. The upload stays open.',
  'size-required':
    'State `sizeBytes`: at creation where the policy has no `maxSizeBytes`, else when completing.',
  'url-not-allowed':
    'Use a public `https` address without credentials or redirects. Private addresses are allowed with `WEBHOOK_ALLOW_PRIVATE`.',
  'quota-exceeded':
    'Complete or abort open uploads, or wait until the day’s bytes are counted anew. The operator sets the policy’s `quota`.',
  'rate-limited': 'Repeat after `Retry-After`.',
  internal:
    'Repeat the request. If it stays, report the `instance` to the operator: the log has it as `requestId`.',
  misconfigured: 'For the operator: set what `detail` names.',
  'database-unavailable':
    'Repeat after `Retry-After`: nothing was half-done. For the operator: see whether PostgreSQL answers, what holds its locks, and `DATABASE_POOL_SIZE`.',
  'storage-unavailable':
    'Repeat the request after a moment. For the operator: see whether the bucket’s endpoint and keys work, with `countersign bucket check`.',
  'not-ready': 'Repeat after `Retry-After`; a load balancer sends requests elsewhere meanwhile.',
}
