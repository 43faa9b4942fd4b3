// An http or https URL as an operator writes it.
import { z } from 'zod'

/** Without a slash at the end. */
export const httpUrl = z
  .url({
    protocol: /^https?$/,
    error: 'must be an http or https URL such as https://uploads.example.com',
  })
  .transform((url) => url.replace(/\/+$/, ''))
