// The path of PUBLIC_URL, under which clients and stores know the API: where it is mounted in another app or behind a proxy.

/** `https://example.com/uploads` → `/uploads`; '' for one without a path, for none, and for what is no URL. */
export function publicPath(publicUrl: string | undefined): string {
  return publicUrl && URL.canParse(publicUrl) ? new URL(publicUrl).pathname.replace(/\/+$/, '') : ''
}
