// Reads the values of an answer. One that is absent or unreadable is undefined, never 0 or '': nobody may judge by it.
import type { ShownHeaders } from '../../core/object-headers.ts'

type Text = string | null | undefined

/** A count of bytes or a part number: a decimal number that JavaScript holds exactly. */
export const wholeNumber = (text: Text): number | undefined =>
  text && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** Without its double quotes. A weak ETag comes from a proxy that changed the answer, so it names no bytes of the store. */
export const etag = (text: Text): string | undefined =>
  text && !text.startsWith('W/') ? text.replace(/^"|"$/g, '') || undefined : undefined

export function date(text: Text): Date | undefined {
  const at = new Date(text ?? Number.NaN)
  return Number.isNaN(at.getTime()) ? undefined : at
}

/** Undefined where there is none of them. */
export function shownHeaders(headers: Headers): ShownHeaders | undefined {
  const shown: ShownHeaders = {
    cacheControl: headers.get('cache-control') || undefined,
    contentDisposition: headers.get('content-disposition') || undefined,
    contentLanguage: headers.get('content-language') || undefined,
    expires: headers.get('expires') || undefined,
  }
  return Object.values(shown).some((value) => value !== undefined) ? shown : undefined
}
