// The upload that all rows sign for.
export const EXAMPLE = {
  bucket: 'example-bucket',
  region: 'cn-hangzhou',
  key: 'users/42/holiday-2026/clip.mp4',
  storageUploadId: '0004B9895DBBB6EC98E36B2FA7',
  credentials: { accessKeyId: 'example-key-id', secretAccessKey: 'example-secret' },
  expiresSeconds: 900,
}
