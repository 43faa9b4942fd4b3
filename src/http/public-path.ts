// The path of PUBLIC_URL. It is not empty if the API is mounted in another app or behind a proxy.

/** `https://example.com/uploads` → `/uploads`; '' without a path, and for no valid URL. */
export function publicPath(publicUrl: string | undefined): string {
  return publicUrl && URL.canParse(publicUrl) ? new URL(publicUrl).pathname.replace(/\/+$/, '') : ''
}
