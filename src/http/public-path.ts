// The path of PUBLIC_URL, under which clients and stores know the API: where it is mounted in another app or behind a proxy.

/** `https://example.com/uploads` → `/uploads`; '' for one without a path, or for none. */
export function publicPath(publicUrl: string | undefined): string {
  return publicUrl ? new URL(publicUrl).pathname.replace(/\/+$/, '') : ''
}
