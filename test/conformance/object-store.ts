// What every ObjectStore promises, in one list. A new adapter joins by one call:
//
//   describeObjectStore('oss on the embedded store', () => ({ store, now: () => new Date() }))
//
// Sizes follow `store.limits`. Tests of an optional feature are skipped where the store lacks it. Keys are new in each test, but
// the suite removes nothing at its end: give it a bucket of its own.
import { describe } from 'vitest'
import { type StoreUnderTest, useBench } from './object-store/bench.ts'
import { copies } from './object-store/copies.ts'
import { createOnly } from './object-store/create-only.ts'
import { credentials } from './object-store/credentials.ts'
import { directCompletion } from './object-store/direct-completion.ts'
import { forms } from './object-store/forms.ts'
import { keys } from './object-store/keys.ts'
import { listings } from './object-store/listings.ts'
import { objectUrls } from './object-store/object-urls.ts'
import { objects } from './object-store/objects.ts'
import { partUrls } from './object-store/part-urls.ts'
import { uploads } from './object-store/uploads.ts'

export type { StoreUnderTest }

/** `open` runs before each test. */
export function describeObjectStore(
  name: string,
  open: () => StoreUnderTest | Promise<StoreUnderTest>,
): void {
  describe(name, () => {
    const bench = useBench(open)

    describe('a storage upload', () => uploads(bench))
    describe('a part URL', () => partUrls(bench))
    describe('overwrite: never', () => createOnly(bench))
    describe('an object', () => objects(bench))
    describe('listing', () => listings(bench))
    describe('an object URL', () => objectUrls(bench))
    describe('a key', () => keys(bench))
    describe('a copied part', () => copies(bench))
    describe('a form', () => forms(bench))
    describe('direct completion', () => directCompletion(bench))
    describe('temporary credentials', () => credentials(bench))
  })
}
