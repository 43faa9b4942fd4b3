#!/usr/bin/env bash
# Sends part PART_NUMBER of FILE to its signed URL with curl. HEADERS is a file with its headers, one a line.
set -euo pipefail

# snippet: put-part-by-url
dd if="$FILE" bs="$PART_SIZE_BYTES" skip=$((PART_NUMBER - 1)) count=1 status=none |
  curl --silent --show-error --fail-with-body --request PUT --header Content-Type: --header @"$HEADERS" \
    --data-binary @- "$URL"
# end
