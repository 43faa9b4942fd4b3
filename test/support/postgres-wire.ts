// As much of PostgreSQL's protocol as a proxy needs to read.
// Source: PostgreSQL, "Message Formats": one byte of type, four of length, which counts itself.
export const SSL_REQUEST = 80877103

/** Cuts a stream into messages. */
export function framer(take: (type: string, message: Buffer) => void) {
  let rest = Buffer.alloc(0)
  return (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const end = rest.readInt32BE(1) + 1
      take(String.fromCharCode(rest[0]!), rest.subarray(0, end))
      rest = rest.subarray(end)
    }
  }
}

/** Like `framer`, for a client's whole stream: its TLS request and start-up message have no type byte. */
export function clientFramer(take: (type: string, message: Buffer) => void) {
  const typed = framer(take)
  let begun = Buffer.alloc(0)
  let isStarted = false
  return (chunk: Buffer) => {
    if (isStarted) return typed(chunk)
    begun = Buffer.concat([begun, chunk])
    while (!isStarted && begun.length >= 8 && begun.length >= begun.readInt32BE(0)) {
      isStarted = begun.readInt32BE(4) !== SSL_REQUEST
      begun = begun.subarray(begun.readInt32BE(0))
    }
    if (isStarted && begun.length) typed(begun)
  }
}
