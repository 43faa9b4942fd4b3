// The guards that `npm run test:guards` breaks: where each stands, what it becomes, and who has to notice. The text has to be
// there exactly once: whoever changes a guard changes it here, too.

const races = (tests, name = 'races-session') => ({ file: `test/faults/${name}.test.ts`, tests })
const integration = (name, tests) => ({ file: `test/integration/${name}.test.ts`, tests })
const matrix = (flow) => ({ file: 'test/faults/matrix.test.ts', tests: 'every single fault', flow })
const deliverers = (tests) => ({ file: 'test/faults/deliveries.test.ts', tests })

export const GUARDS = [
  {
    name: 'one completion at a time, by lease',
    in: 'src/db/uploads.ts',
    from: `or (state = 'completing' and lease_until <= \${instant(now)})`,
    to: `or state = 'completing'`,
    suite: races('complete ∥ complete', 'races-completion'),
  },
  {
    name: 'finish only from open or completing',
    in: 'src/db/uploads.ts',
    from: "guard: among(statesBefore('completed')),",
    to: 'guard: sql`true`,',
    suite: races('a callback that saw the object before the abort'),
  },
  {
    name: 'an end only from its states',
    in: 'src/db/uploads.ts',
    from: '    among(states),\n',
    to: '    sql`true`,\n',
    suite: races('wins over an abort that saw the session open'),
  },
  {
    name: 'no end within the attempt window',
    in: 'src/db/uploads.ts',
    from: 'sql`(attempt_at is null or attempt_at < ${instant(after(now, -ATTEMPT_WINDOW_MS))})`',
    to: 'sql`true`',
    suite: races('complete ∥ abort|∥ direct completion'),
  },
  {
    name: 'heal: compare and set on the storage upload id',
    in: 'src/db/uploads.ts',
    from: 'and storage_upload_id is not distinct from ${storageUploadId ?? null} and',
    to: 'and ${storageUploadId ?? null}::text is not distinct from ${storageUploadId ?? null} and',
    suite: races('heal ∥ heal'),
  },
  {
    name: 'storage is released once',
    in: 'src/db/uploads.ts',
    from: "guard: sql`storage_released_at is null and state in ('aborted', 'expired', 'failed')`",
    to: "guard: sql`state in ('aborted', 'expired', 'failed')`",
    suite: { file: 'test/faults/release.test.ts' },
  },
  {
    name: 'a reservation is taken over after its lease only',
    in: 'src/db/uploads.ts',
    from: "guard: sql`state = 'initiating' and lease_until <= ${instant(now)}`,",
    to: "guard: sql`state = 'initiating'`,",
    suite: races('create ∥ create'),
  },
  {
    name: 'one session for an Idempotency-Key',
    in: 'src/db/reserve.ts',
    from: 'kept as (${upload.idempotent ? ',
    to: 'kept as (${false ? ',
    suite: matrix('Idempotency-Key'),
  },
  {
    name: 'quota: open uploads below the limit',
    in: 'src/db/reserve.ts',
    from: 'coalesce(usage.open_uploads < ${limit.open}::int, true)',
    to: 'coalesce(usage.open_uploads <= ${limit.open}::int, true)',
    suite: integration('quota', 'open uploads'),
  },
  {
    name: 'a grant is used up to its count',
    in: 'src/db/reserve.ts',
    from: 'used_uploads < max_uploads',
    to: 'used_uploads <= max_uploads',
    suite: integration('quota', 'a grant'),
  },
  {
    name: 'completion settles the quota',
    in: 'src/db/uploads.ts',
    from: 'settlement: { settleBytes: object.sizeBytes },',
    to: "settlement: 'keep',",
    suite: matrix('complete, empty'),
  },
  {
    name: 'event and deliveries in the same statement',
    in: 'src/db/transition.ts',
    from: '${event ? recordEvent(event) : sql``}',
    to: '${sql``}',
    suite: matrix('complete, empty'),
  },
  {
    name: 'the stamp makes an object the session’s own',
    in: 'src/uploads/presence.ts',
    from: ': object.uploadId === session.id',
    to: ': true',
    suite: integration('sessions', 'whose object it is'),
  },
  {
    name: 'orphans only under a key that holds the session’s id',
    in: 'src/uploads/release.ts',
    from: "session.method === 'form' || !session.key.includes(session.id))",
    to: "session.method === 'form')",
    suite: integration('sweep-storage', 'foreign uploads'),
  },
  {
    name: 'a callback is signed by the store',
    in: 'src/storage/oss/callback.ts',
    from: 'return verify(embeddedKeyPem ?? OSS_CALLBACK_PUBLIC_KEY, message, signature)',
    to: 'return true',
    suite: integration('callbacks', 'a forged callback'),
  },
  {
    name: 'a callback is about our bucket',
    in: 'src/uploads/callback.ts',
    from: 'if (fields.bucket !== store.location.bucket)',
    to: 'if (false)',
    suite: integration('callbacks', 'really signed'),
  },
  {
    name: 'a callback is about the session’s own key',
    in: 'src/uploads/callback.ts',
    from: 'if (body.object !== session.key)',
    to: 'if (false)',
    suite: integration('callbacks', 'really signed'),
  },
  {
    name: 'another subject’s session is not there',
    in: 'src/core/principal.ts',
    from: "case 'jwt':\n      return credential.subject === session.subject",
    to: "case 'jwt':\n      return true",
    suite: integration('refusals', 'a user JWT'),
  },
  {
    name: 'a delivery is claimed by one, by lease',
    in: 'src/db/deliveries.ts',
    from: 'and (lease_until is null or lease_until <= ${instant(now)})`',
    to: '`',
    suite: deliverers('whatever their order'),
  },
  {
    name: 'a claim passes over locked rows (skip locked)',
    in: 'src/db/deliveries.ts',
    from: ".for('update', { skipLocked: true }),",
    to: ',',
    suite: deliverers('passes over'),
  },
  {
    name: 'a late deliverer records nothing over another’s',
    in: 'src/db/deliveries.ts',
    from: "and attempt_count = ${attemptCount} and state in ('pending', 'running')",
    to: '',
    suite: deliverers('whose lease was taken over'),
  },
]
