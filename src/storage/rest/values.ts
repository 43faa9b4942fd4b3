// Reads values of an answer. A missing or unreadable value is undefined, never 0 or '', so that no flow acts on it.
import type { ShownHeaders } from '../../core/object-headers.ts'

type Text = string | null | undefined

/** A decimal number that JavaScript holds exactly. */
export const wholeNumber = (text: Text): number | undefined =>
  text && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** Without its double quotes. A weak ETag comes from a proxy that changed the answer, so it names no bytes of the store. */
export const etag = (text: Text): string | undefined =>
  text && !text.startsWith('W/') ? text.replace(/^"|"$/g, '') || undefined : undefined

export function date(text: Text): Date | undefined {
  const at = new Date(text ?? Number.NaN)
  return Number.isNaN(at.getTime()) ? undefined : at
}

/** Undefined if none is present. */
export function shownHeaders(headers: Headers): ShownHeaders | undefined {
  const shown: ShownHeaders = {
    cacheControl: headers.get('cache-control') || undefined,
    contentDisposition: headers.get('content-disposition') || undefined,
    contentLanguage: headers.get('content-language') || undefined,
    expires: headers.get('expires') || undefined,
  }
  return Object.values(shown).some((value) => value !== undefined) ? shown : undefined
}
