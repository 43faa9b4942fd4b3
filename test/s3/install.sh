#!/usr/bin/env bash
# Installs what test/s3 drives: Ceph from Debian, and into .s3/ (not in git) versitygw and the AWS clients, at pinned versions.
# A second run does nothing unless one of the files that pin them has changed since.
set -euo pipefail

cd "$(dirname "$0")/../.."
sources=test/s3
target="$PWD/.s3"
. test/support/install.sh

# Debian packages that are missing.
missing=()
command -v radosgw >/dev/null || missing+=(radosgw)
command -v ceph-mon >/dev/null || missing+=(ceph-mon)
command -v ceph-osd >/dev/null || missing+=(ceph-osd)
command -v ceph >/dev/null || missing+=(ceph-common)
command -v python3 >/dev/null && python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
install_debian "${missing[@]}"

install_node() {
  mkdir -p "$target/node"
  cp "$sources"/node/package*.json "$target/node/"
  npm ci --prefix "$target/node" --ignore-scripts --no-audit --no-fund --loglevel=error
}

install_signers() {
  mkdir -p "$target/signers"
  cp "$sources"/signers/package*.json "$target/signers/"
  npm ci --prefix "$target/signers" --ignore-scripts --no-audit --no-fund --loglevel=error
}

install_python() {
  python3 -m venv --clear "$target/python"
  "$target/python/bin/pip" install --quiet --disable-pip-version-check -r "$sources/python/requirements.txt"
}

install_versitygw() {
  # GOTOOLCHAIN=local: a Go that is too old says so, instead of fetching another.
  if ! GOBIN="$target/bin" GOTOOLCHAIN=local GOFLAGS=-buildvcs=false \
    go install "github.com/versity/versitygw/cmd/versitygw@$(cat "$sources/versitygw/version")"; then
    echo "versitygw could not be installed: it needs Go 1.25 or newer and the Go module proxy. Found: $(go version 2>&1)" >&2
    return 1
  fi
}

once node
once signers
once python
once versitygw
