// Kinds of values that several variables have.
import { z } from 'zod'

export const flag = z.enum(['true', 'false']).transform((text) => text === 'true')
export const httpUrl = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ''))
