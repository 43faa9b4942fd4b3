# Sourced by the installers of test/sdks and test/s3, which set `sources`, their own folder, and `target`, where things go.

# Installs Debian packages, unless there are none to install.
install_debian() {
  (($#)) || return 0
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Runs `install_$1`, unless it has succeeded for the very same files of "$sources/$1".
once() {
  local name=$1 stamp="$target/stamps/$1" hash
  hash=$(find "$sources/$name" -type f | sort | xargs sha256sum | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ] && return
  echo "installing $sources/$name" >&2
  "install_$name"
  mkdir -p "$target/stamps"
  echo "$hash" >"$stamp"
}
