// Alters the store's answers as an intermediary may: a proxy that compresses, a CDN that drops headers, a gateway that rewrites
// bodies.

/** Changes headers of each HEAD that finds an object. Undefined removes a header. */
export const changingHead =
  (changes: Record<string, string | undefined>) =>
  (forward: typeof fetch): typeof fetch =>
  async (input, init) => {
    const answer = await forward(input, init)
    if (init?.method !== 'HEAD' || !answer.ok) return answer
    const headers = new Headers(answer.headers)
    for (const [name, value] of Object.entries(changes)) {
      if (value === undefined) headers.delete(name)
      else headers.set(name, value)
    }
    return new Response(null, { status: answer.status, headers })
  }

/** Rewrites the first match in each body that contains this root element. */
export const changingXml =
  (root: string, from: RegExp, to: string) =>
  (forward: typeof fetch): typeof fetch =>
  async (input, init) => {
    const answer = await forward(input, init)
    if (init?.method !== 'GET') return answer
    const text = await answer.text()
    const body = text.includes(`<${root}`) ? text.replace(from, to) : text
    return new Response(body, { status: answer.status })
  }
