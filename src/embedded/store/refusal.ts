// The error codes of the store, one row a code. A refusal is an Error with code, EC and further elements.

const CODES = {
  AccessDenied: [403, 'You have no right to access this object because of bucket acl.'],
  AccessKeyIdAndSecurityTokenNotMatch: [403, 'The security token belongs to another key.'],
  AccessForbidden: [
    403,
    'CORSResponse: This CORS request is not allowed: no rule allows its Origin, method and headers.',
  ],
  BadRequest: [400, 'The request is malformed.'],
  CallbackFailed: [203, 'The callback failed.'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed size.'],
  EntityTooSmall: [400, 'Your proposed upload smaller than the minimum allowed size.'],
  FieldItemTooLong: [400, 'A field of the form is too long.'],
  FileAlreadyExists: [409, 'The object you specified already exists and can not be overwritten.'],
  IncompleteBody: [400, 'The request body is shorter than its Content-Length.'],
  IncorrectNumberOfFilesInPOSTRequest: [400, 'POST requires exactly one file upload per request.'],
  InternalError: [500, 'We encountered an internal error. Please try again.'],
  InvalidAccessKeyId: [403, 'The OSS Access Key Id you provided does not exist in our records.'],
  InvalidArgument: [400, 'An argument is invalid.'],
  InvalidCRC64: [400, 'The CRC64 you specified does not match what we received.'],
  InvalidDigest: [
    400,
    'The Content-MD5 you specified is invalid or does not match what we received.',
  ],
  InvalidEncryptionAlgorithmError: [
    400,
    'The Encryption request you specified is not valid. Supported value: AES256/SM4/KMS.',
  ],
  InvalidObjectName: [400, 'The specified object is not valid.'],
  InvalidPart: [400, 'One or more of the specified parts could not be found, or its ETag differs.'],
  InvalidPartOrder: [400, 'The list of parts was not in ascending order.'],
  InvalidPolicyDocument: [400, 'Invalid Policy.'],
  InvalidRange: [416, 'The requested range cannot be satisfied.'],
  InvalidSecurityToken: [403, 'The security token you provided is invalid.'],
  InvalidTag: [400, 'A tag is not key or key=value, or its key is empty.'],
  MalformedXML: [400, 'The XML you provided was not well-formed or has the wrong shape.'],
  MissingArgument: [400, 'Missing Some Required Arguments.'],
  MethodNotAllowed: [405, 'The specified method is not allowed against this resource.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  NoSuchBucket: [404, 'The specified bucket does not exist.'],
  NoSuchCORSConfiguration: [404, 'The CORS Configuration does not exist.'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchLifecycle: [404, 'No Row found in Lifecycle Table.'],
  NoSuchUpload: [
    404,
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  ],
  NotImplemented: [400, 'The embedded store does not implement what you asked for.'],
  NotModified: [304, 'Not modified.'],
  PreconditionFailed: [412, 'At least one of the preconditions you specified did not hold.'],
  RequestTimeout: [400, 'The request did not arrive in time.'],
  RequestTimeTooSkewed: [
    403,
    'The difference between the request time and the current time is too large.',
  ],
  SecurityTokenExpired: [403, 'The security token you provided has expired.'],
  ServiceUnavailable: [503, 'Too many requests are being received. Try again later.'],
  SignatureDoesNotMatch: [
    403,
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  ],
} as const satisfies Record<string, readonly [status: number, message: string]>

export type RefusalCode = keyof typeof CODES

export interface RefusalDetails {
  message?: string
  /** The finer code of OSS, such as `0017-00000220`. The answer repeats it in the header x-oss-ec. */
  ec?: string
  /** Further elements of the error body, such as Key or ArgumentName. */
  elements?: Record<string, string>
  headers?: Record<string, string>
}

export type Refusal = Error & {
  refusal: Required<Omit<RefusalDetails, 'ec'>> & { code: RefusalCode; status: number; ec?: string }
}

/** Builds the error to throw. Only `reply.ts` renders it. */
export function refusal(code: RefusalCode, details: RefusalDetails = {}): Refusal {
  const [status, usual] = CODES[code]
  const { message = usual, ec, elements = {}, headers = {} } = details
  const facts = { code, status, message, ec, elements, headers }
  return Object.assign(new Error(`${code}: ${message}`), { name: 'Refusal', refusal: facts })
}

export const denied = (message: string, ec?: string) => refusal('AccessDenied', { message, ec })

/** Names the operation of OSS that was asked for, such as `AppendObject`. */
export const notImplemented = (operation: string, elements: Record<string, string> = {}) =>
  refusal('NotImplemented', {
    message: `The embedded store does not implement ${operation}.`,
    elements: { Operation: operation, ...elements },
  })

/** InvalidArgument for a request that is malformed as a whole. */
export const malformed = (message: string, ec?: string) =>
  refusal('InvalidArgument', { message, ec })

/** InvalidArgument for one argument, which the answer names. */
export const invalidArgument = (name: string, value: string, message: string, ec?: string) =>
  refusal('InvalidArgument', {
    message,
    ec,
    elements: { ArgumentName: name, ArgumentValue: value },
  })

export const isRefusal = (error: unknown): error is Refusal =>
  error instanceof Error && error.name === 'Refusal' && 'refusal' in error
