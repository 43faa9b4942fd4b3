// Receivers on a raw socket that answer as no server should. Every outgoing call must survive them.
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface Hostility {
  name: string
  /** What the receiver sends once the request begins to arrive. */
  answer: (socket: Socket) => void
  /** The status, if a whole response head arrives. */
  status?: number
  floods?: boolean
}

const DRIP_MS = 10

/** Writes pieces until the connection ends. */
function drip(socket: Socket, piece: string): void {
  const timer = setInterval(() => socket.write(piece), DRIP_MS)
  socket.on('close', () => clearInterval(timer))
}

/** Writes as fast as the peer reads, until the connection ends. */
function flood(socket: Socket, piece: string): void {
  const pour = () => {
    while (!socket.destroyed && socket.write(piece)) {}
  }
  socket.on('drain', pour)
  pour()
}

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'
const CHUNKED = `${HEAD}transfer-encoding: chunked\r\n\r\n`

export const HOSTILITIES: Hostility[] = [
  {
    name: '101 with Upgrade',
    answer: (socket) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
  },
  { name: '101 without Upgrade', answer: (socket) => socket.write('HTTP/1.1 101 Odd\r\n\r\n') },
  {
    name: 'a drip of 1xx',
    answer: (socket) => drip(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'),
  },
  {
    name: 'a flood of 1xx',
    answer: (socket) => flood(socket, 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)),
    floods: true,
  },
  { name: 'silence', answer: () => {} },
  { name: 'an end without a word', answer: (socket) => socket.end() },
  { name: 'a reset', answer: (socket) => socket.resetAndDestroy() },
  { name: 'garbage', answer: (socket) => socket.write('\u0000\u0001 no HTTP at all\r\n\r\n') },
  {
    name: 'a status that does not exist',
    answer: (socket) => socket.write('HTTP/1.1 999 Odd\r\n'),
  },
  {
    name: 'a whole answer with a status that does not exist',
    answer: (socket) => socket.write('HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n'),
  },
  {
    name: 'a header that drips',
    answer(socket) {
      socket.write('HTTP/1.1 200 OK\r\nx-long: ')
      drip(socket, 'x')
    },
  },
  {
    name: 'headers without an end',
    answer(socket) {
      socket.write('HTTP/1.1 200 OK\r\n')
      flood(socket, 'x-more: of the same\r\n'.repeat(100))
    },
    floods: true,
  },
  {
    name: 'a body that drips',
    answer(socket) {
      socket.write(CHUNKED)
      drip(socket, '1\r\n \r\n')
    },
    status: 200,
  },
  {
    name: 'a body without an end',
    answer(socket) {
      socket.write(CHUNKED)
      flood(socket, `1000\r\n${' '.repeat(4096)}\r\n`)
    },
    status: 200,
    floods: true,
  },
  {
    name: 'a body that never begins',
    answer: (socket) => socket.write(`${HEAD}content-length: 10\r\n\r\n`),
    status: 200,
  },
  {
    name: 'a body that is reset',
    answer: (socket) =>
      socket.write(`${HEAD}content-length: 10\r\n\r\n{`, () =>
        setImmediate(() => socket.resetAndDestroy()),
      ),
    status: 200,
  },
  {
    name: 'chunks that are none',
    answer: (socket) => socket.write(`${CHUNKED}no length\r\n`),
    status: 200,
  },
  {
    name: 'a redirect to somewhere inside',
    answer: (socket) =>
      socket.write(
        'HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n',
      ),
    status: 302,
  },
]

export async function startHostileReceiver({ answer }: Hostility) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.once('data', () => answer(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
