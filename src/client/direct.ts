// Completes at the store itself. The store relays the service's answer to its callback, and only "completed" in that answer
// counts. After anything else, such as 203 CallbackFailed with an existing object, the service tells the state.
import { ApiProblem, type Call, type UploadStatus } from './api.ts'
import { persist } from './retry.ts'

interface Direct {
  direct: { method: string; url: string; headers: Record<string, string> }
}

export interface DirectOptions {
  id: string
  /** The completion token. */
  token: string
  /** Reads the status. */
  uploadToken: string
  signal?: AbortSignal
}

/** Returns true if the upload is completed. After false, the state is unknown: complete at the service, which knows it. */
export async function completeAtStore(call: Call, options: DirectOptions): Promise<boolean> {
  const { id, token, uploadToken, signal } = options
  try {
    const path = `/v1/uploads/${id}/complete`
    const prepare = () => call<Direct>('POST', path, token, { mode: 'direct' })
    const { body } = await persist(prepare, signal)
    if (await sendToStore(body.direct, options)) return true
    const read = () => call<UploadStatus>('GET', `/v1/uploads/${id}`, uploadToken)
    return (await persist(read, signal)).body.state === 'completed'
  } catch (error) {
    // No longer offered, ended, or being completed elsewhere: completing at the service tells which.
    if (error instanceof ApiProblem && !signal?.aborted) return false
    throw error
  }
}

/** Returns true if the relayed answer says "completed". */
async function sendToStore(
  { method, url, headers }: Direct['direct'],
  { id, signal }: DirectOptions,
): Promise<boolean> {
  try {
    const answer = await fetch(url, { method, headers, signal })
    if (answer.status !== 200) return false
    const relayed = (await answer.json()) as { id?: unknown; state?: unknown } | null
    return relayed?.id === id && relayed.state === 'completed'
  } catch (error) {
    if (signal?.aborted) throw error
    return false
  }
}
