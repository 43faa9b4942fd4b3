#!/usr/bin/env bash
# Uploads FILE to oss://BUCKET/KEY with ossutil and temporary credentials. Run again, it goes on where it was cut.
set -euo pipefail

# snippet: upload-with-sts
ossutil cp "$FILE" "oss://$BUCKET/$KEY" --force \
  --endpoint "$ENDPOINT" --region "$REGION" --sign-version "$SIGN_VERSION" \
  --access-key-id "$ACCESS_KEY_ID" --access-key-secret "$SECRET_ACCESS_KEY" --sts-token "$SESSION_TOKEN" \
  --bigfile-threshold "$PART_SIZE_BYTES" --part-size "$PART_SIZE_BYTES" --checkpoint-dir "$CHECKPOINTS" \
  --parallel 1 --jobs 1 --retry-times 1
# end
