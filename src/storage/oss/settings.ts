// The settings that only an OSS store has.
import { z } from 'zod'
import { httpUrl } from '../../net/http-url.ts'
import { ENDPOINT_KINDS, isInternal } from './endpoint.ts'

/** A URL, or a kind: the region gives its host. */
const endpoint = z.union(
  [z.enum(ENDPOINT_KINDS), httpUrl],
  `must be a URL, or one of ${ENDPOINT_KINDS.join(', ')}`,
)

/** Clients get URLs of it, so it is not internal, and https wherever Alibaba serves https. */
const isForClients = (kindOrUrl: string): boolean => {
  if (!URL.canParse(kindOrUrl)) return kindOrUrl !== 'internal'
  return !isInternal(kindOrUrl) && !/^http:.*\.aliyuncs\.com$/.test(kindOrUrl)
}

export const ossSettings = {
  endpoint: endpoint
    .default('public')
    .describe(
      `Where the service reaches the store: a URL, or public (default), ${ENDPOINT_KINDS.slice(1).join(', ')}`,
    ),
  publicEndpoint: endpoint
    .refine(isForClients, 'must be one that clients reach, over https: not an internal endpoint')
    .optional()
    .describe('Endpoint in signed URLs, if another: a custom domain, or as above but internal'),
  roleArn: z
    .string()
    .regex(/^acs:ram::\d+:role\/[\w.-]{1,64}$/, 'must be like acs:ram::<account>:role/<name>')
    .optional()
    .describe(
      'Role assumed for credentials that clients are handed: acs:ram::<account>:role/<name>',
    ),
  stsEndpoint: httpUrl.optional().describe('STS, if not https://sts.<region>.aliyuncs.com'),
  mpsEndpoint: httpUrl
    .optional()
    .describe('Media Processing, if not https://mts.<region>.aliyuncs.com'),
}
