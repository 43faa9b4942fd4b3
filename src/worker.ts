// Entry on Cloudflare Workers: requests, the schedule, and the optional queue of nudges.
import { countersign } from './worker/library.ts'

const { fetch, scheduled, queue } = countersign()

export default { fetch, scheduled, queue }
