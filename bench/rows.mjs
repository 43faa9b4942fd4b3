// What is measured: a row of the table each. A slice is a file of slices/, called with a side of the row, the seconds, and `words`.
export const ROWS = [
  {
    what: 'OSS V4 URLs, 1,000 a batch, × ali-oss 6.23',
    slice: 'oss-presign',
    sides: ['ours', 'peer'],
    unit: 'µs a URL',
    goal: '≥ 20 ×',
  },
  {
    what: 'HTTP, 1,000 URLs a call, × Companion 5.8 (S3)',
    slice: 'http',
    words: [1000],
    sides: ['ours', 'peer'],
    unit: 'µs a URL',
    goal: '≥ 120 ×',
  },
  {
    what: 'HTTP, one part a call, × Companion 5.8 (S3)',
    slice: 'http',
    words: [1],
    sides: ['ours', 'peer'],
    unit: 'µs a call',
    goal: '≥ 15 ×',
  },
  {
    what: 'workerd, 10,000 URLs, × aws4fetch 1.0',
    slice: 'workerd',
    sides: ['ours', 'peer'],
    unit: 'µs a URL',
    goal: '≥ 20 ×; ≤ 3 µs a URL',
  },
  { what: 'idle memory', slice: 'idle', sides: ['memory'], unit: 'MiB', goal: '≤ 130 MiB' },
  { what: 'start without a build', slice: 'idle', sides: ['start'], unit: 's', goal: '≤ 2.5 s' },
]

export const UNMEASURED = [
  ['S3 URLs, × AWS presigner / aws4fetch / aws4', '≥ 120 / 50 / 10 ×'],
  ['S3 URLs, × Bun’s native presign', '≥ 2.5 ×'],
  ['initiate / whole life, share of pgbench with the same SQL prepared', '≥ 65 % / 60 %'],
  ['outbox, 10,000 pending, × pg-boss', '≥ 1.7 ×'],
  ['outbox, × graphile-worker, batched', '≥ 0.5 ×'],
  ['client, 64 parts, 50 ms each, × sequential', '≥ 5 ×'],
  ['CLI, 1 GiB to the embedded store, × ali-oss', '≥ 1.2 ×'],
  ['1,000 files of 40 KB, × Companion and Uppy’s calls', '≥ 5 ×'],
  ['one status page of a session with 10,000 parts', 'as dear as one page'],
]
