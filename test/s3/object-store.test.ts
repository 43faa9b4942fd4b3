// The suite of every ObjectStore, for the S3 dialect on real servers.
import { inject } from 'vitest'
import { describeObjectStore } from '../conformance/object-store.ts'
import { openOn } from './open.ts'

const NO_RACE = 'A completion asks by HEAD first, which cannot decide a race.'
const ALL_PARTS = 'Ceph 16.2 takes only a completion that names every part.'
const COPY_SOURCE = 'Ceph 16.2 finds no copy source under a key with + or %.'
const UPLOAD_MARKER = 'versitygw 1.7 refuses the upload-id-marker of its own page.'
const ABORT_RACE = 'versitygw 1.7 may keep an upload that is aborted while it is completed.'

const RACES = {
  'lets one of several completions win': NO_RACE,
  'lets one of a completion and an empty object win': NO_RACE,
}

describeObjectStore('s3 on Ceph', () => ({
  store: openOn(inject('ceph')),
  now: () => new Date(),
  // Ceph 16.2 answers 500.
  unclearIfUnknown: true,
  deviations: {
    ...RACES,
    'leaves out parts that its completion does not name': ALL_PARTS,
    'is not completed with a first part below the minimum, and stays open': ALL_PARTS,
    'has exactly the bytes of its range, across parts of the source': COPY_SOURCE,
    'stays when its source is deleted': COPY_SOURCE,
    'is not made for an upload that is aborted': COPY_SOURCE,
  },
}))

describeObjectStore('s3 on versitygw', () => ({
  store: openOn(inject('versitygw')),
  now: () => new Date(),
  deviations: {
    ...RACES,
    'finds every upload once, over several pages': UPLOAD_MARKER,
    'continues after the given upload': UPLOAD_MARKER,
    'is completed or aborted, whichever comes first': ABORT_RACE,
  },
}))
