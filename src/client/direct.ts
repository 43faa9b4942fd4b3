// Completion at the store itself. What the store answers is a hint: only "completed", said by the service through it, counts;
// for all else, such as 203 CallbackFailed after which the object does exist, the service is asked.
import { ApiProblem, type Call, type UploadStatus } from './api.ts'
import { persist } from './retry.ts'

interface Direct {
  direct: { method: string; url: string; headers: Record<string, string> }
}

export interface DirectOptions {
  id: string
  /** The completion token. */
  token: string
  /** May ask for the status: the upload token. */
  uploadToken: string
  signal?: AbortSignal
}

/** True where the upload is completed. False means that it is not known: complete it the other way, which tells. */
export async function completeAtStore(call: Call, options: DirectOptions): Promise<boolean> {
  const { id, token, uploadToken, signal } = options
  try {
    const { body } = await persist(
      () => call<Direct>('POST', `/v1/uploads/${id}/complete`, token, { mode: 'direct' }),
      signal,
    )
    if (await storeSaysCompleted(body.direct, options)) return true
    const status = await persist(
      () => call<UploadStatus>('GET', `/v1/uploads/${id}`, uploadToken),
      signal,
    )
    return status.body.state === 'completed'
  } catch (error) {
    // Not offered any more, ended or being completed elsewhere: the service says which, when it is asked to complete.
    if (error instanceof ApiProblem && !signal?.aborted) return false
    throw error
  }
}

async function storeSaysCompleted(
  { method, url, headers }: Direct['direct'],
  { id, signal }: DirectOptions,
): Promise<boolean> {
  try {
    const answer = await fetch(url, { method, headers, signal })
    if (answer.status !== 200) return false
    const said = (await answer.json()) as { id?: unknown; state?: unknown } | null
    return said?.id === id && said.state === 'completed'
  } catch (error) {
    if (signal?.aborted) throw error
    return false
  }
}
