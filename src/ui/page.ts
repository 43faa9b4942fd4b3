// The page at `/`, which uploads dropped files and shows their parts. Its credential is a grant from the URL's fragment, or, on
// the machine of an embedded service, a grant that it requests itself.
import { ApiProblem, api } from '../client/api.ts'
import { type Progress, type Source, type UploadResult, upload } from '../client/index.ts'

const MAX_SQUARES = 400
const MiB = 1024 * 1024

const element = <Kind extends Element>(selector: string, within: ParentNode = document): Kind =>
  within.querySelector<Kind>(selector)!

const url = location.origin
const sizeOf = (bytes: number) =>
  bytes < MiB ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / MiB).toFixed(1)} MiB`

function notice(text: string): void {
  const place = element<HTMLElement>('#notice')
  place.textContent = text
  place.hidden = false
}

/** Removes the grant from the address bar at once, so that it is neither shown nor shared. */
function takeFragmentGrant(): string | undefined {
  const grant = new URLSearchParams(location.hash.slice(1)).get('grant') ?? undefined
  if (grant) history.replaceState(null, '', location.pathname)
  return grant
}

let fragmentGrant = takeFragmentGrant()
let minted: { grant: string; expiresAt: string } | undefined

async function credential(): Promise<string> {
  if (fragmentGrant) return fragmentGrant
  if (minted && Date.parse(minted.expiresAt) - Date.now() > 60_000) return minted.grant
  const response = await fetch('/demo/grant', { method: 'POST' })
  if (!response.ok) {
    throw new Error(
      'This page needs a grant in its address: /#grant=… An app’s backend mints one with POST /v1/grants.',
    )
  }
  minted = (await response.json()) as { grant: string; expiresAt: string }
  return minted.grant
}

/** Slices have no type, so that the browser adds no Content-Type that was not signed. */
const sourceOf = (file: File): Source => ({
  name: file.name,
  size: file.size,
  type: file.type,
  slice: async (start, end) => file.slice(start, end, ''),
})

function addRow(file: File) {
  const row = element<HTMLTemplateElement>('#upload').content.cloneNode(true) as DocumentFragment
  const item = element<HTMLLIElement>('li', row)
  element('.name', item).textContent = file.name
  element('.facts', item).textContent = sizeOf(file.size)
  element<HTMLElement>('.bar', item).setAttribute('aria-label', `Progress of ${file.name}`)
  element('#uploads').prepend(row)
  const button = (name: string) => element<HTMLButtonElement>(`[data-do=${name}]`, item)
  return {
    item,
    button,
    state(text: string, name = '') {
      item.className = `upload ${name}`
      element('.state', item).textContent = text
    },
    facts(text: string) {
      element('.facts', item).textContent = text
    },
    parts(count: number) {
      if (count > MAX_SQUARES) return
      const squares = Array.from({ length: count }, () => document.createElement('i'))
      element('.parts', item).replaceChildren(...squares)
    },
    part(number: number) {
      element('.parts', item).children[number - 1]?.classList.add('done')
    },
    share(share: number) {
      element<HTMLElement>('.bar i', item).style.transform = `scaleX(${share})`
      element('.bar', item).setAttribute('aria-valuenow', String(Math.floor(share * 100)))
    },
  }
}

type Row = ReturnType<typeof addRow>

function show(row: Row, progress: Progress, began: number): void {
  const { sentBytes, totalBytes, partsDone, partCount, resumedBytes, state } = progress
  row.share(totalBytes ? sentBytes / totalBytes : 1)
  if (state === 'verifying') row.state('checking what is stored already')
  if (state === 'completing') row.state('completing …')
  if (state !== 'sending') return
  row.state('sending')
  const rate = (sentBytes - resumedBytes) / Math.max(0.001, (performance.now() - began) / 1000)
  row.facts(
    `${sizeOf(sentBytes)} of ${sizeOf(totalBytes)} · part ${partsDone} of ${partCount} · ${sizeOf(rate)}/s`,
  )
}

function explain(error: unknown): string {
  if (error instanceof ApiProblem) return error.userMessage ?? error.message
  if (error instanceof TypeError) return 'The network is gone. Continue when it is back.'
  return error instanceof Error ? error.message : String(error)
}

/** Sends the file, and lets its row pause, continue and cancel it. */
function begin(file: File): void {
  const row = addRow(file)
  let running: AbortController | undefined
  let id: string | undefined
  let cancelled = false

  async function send(): Promise<void> {
    running = new AbortController()
    row.button('pause').textContent = 'Pause'
    row.state('asking for permission')
    const began = performance.now()
    try {
      const result = await upload(sourceOf(file), {
        url,
        credential: await credential(),
        signal: running.signal,
        onCreated(created) {
          id = created.id
          row.parts(created.partCount)
        },
        onPart: row.part,
        onProgress: (progress) => show(row, progress, began),
      })
      done(row, result)
    } catch (error) {
      if (cancelled) return
      row.button('pause').textContent = 'Continue'
      if (running.signal.aborted) row.state('paused')
      else row.state(explain(error), 'failed')
    } finally {
      running = undefined
    }
  }

  row.button('pause').addEventListener('click', () => {
    if (running) running.abort(new Error('paused'))
    else void send()
  })
  row.button('cancel').addEventListener('click', async () => {
    cancelled = true
    running?.abort(new Error('cancelled'))
    if (id) await api({ url })('DELETE', `/v1/uploads/${id}`, await credential()).catch(() => {})
    row.item.remove()
  })
  void send()
}

function done(row: Row, { id, key, sizeBytes, uploadToken }: UploadResult): void {
  row.share(1)
  row.state('completed', 'completed')
  row.facts(`${sizeOf(sizeBytes)} · ${key}`)
  row.button('pause').hidden = true
  row.button('cancel').hidden = true
  const open = row.button('open')
  open.hidden = false
  open.addEventListener('click', async () => {
    const response = await fetch(`${url}/v1/uploads/${id}/object`, {
      headers: { authorization: `Bearer ${uploadToken}` },
    })
    if (!response.ok) {
      row.state('The policy does not hand the object back.', 'failed')
      return
    }
    const link = document.createElement('a')
    link.href = URL.createObjectURL(await response.blob())
    link.download = element('.name', row.item).textContent ?? ''
    link.click()
    URL.revokeObjectURL(link.href)
  })
}

const drop = element<HTMLElement>('#drop')
const input = element<HTMLInputElement>('#files')
input.addEventListener('change', () => {
  for (const file of input.files ?? []) begin(file)
  input.value = ''
})
for (const name of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(name, (event) => {
    event.preventDefault()
    drop.classList.toggle('over', name === 'dragover')
    if (name !== 'drop') return
    for (const file of (event as DragEvent).dataTransfer?.files ?? []) begin(file)
  })
}
window.addEventListener('hashchange', () => {
  fragmentGrant = takeFragmentGrant() ?? fragmentGrant
})
credential().catch((error: unknown) => notice(explain(error)))
