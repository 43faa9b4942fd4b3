// The OSS dialect on a double that gives every request the same response, and records the requests.
import { oss } from '../../src/storage/oss/index.ts'

export const NOW = new Date('2024-01-02T03:04:05Z')

export function answering(
  status: number,
  body: string,
  more: Partial<Parameters<typeof oss>[0]> = {},
) {
  const asked: Array<{ url: string; init: RequestInit | undefined }> = []
  const address = { url: 'https://oss-cn-hangzhou.aliyuncs.com', addressing: 'virtual' } as const
  const store = oss({
    name: 'default',
    bucket: 'examplebucket',
    region: 'cn-hangzhou',
    endpoint: address,
    publicEndpoint: address,
    credentials: { accessKeyId: 'ak', secretAccessKey: 'sk' },
    bindLength: true,
    clock: () => NOW,
    fetch: async (input, init) => {
      asked.push({ url: String(input), init })
      const headers = init?.method === 'HEAD' ? { 'x-oss-err': btoa(body) } : undefined
      return new Response(headers || status === 304 ? null : body, { status, headers })
    },
    ...more,
  })
  return { store, asked }
}
