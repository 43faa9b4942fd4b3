#!/usr/bin/env bash
# Installs the official OSS clients that test/sdks drives, at pinned versions, into .sdks/ (not in git). A second run does
# nothing unless one of the files that pin or make a client has changed since.
set -euo pipefail

cd "$(dirname "$0")/../.."
sources=test/sdks
target="$PWD/.sdks"
. test/support/install.sh

# Debian packages that are missing.
missing=()
command -v python3 >/dev/null && python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
command -v go >/dev/null || missing+=(golang-go)
command -v javac >/dev/null || missing+=(default-jdk-headless)
command -v mvn >/dev/null || missing+=(maven)
install_debian "${missing[@]}"

install_python() {
  python3 -m venv --clear "$target/python"
  "$target/python/bin/pip" install --quiet --disable-pip-version-check -r "$sources/python/requirements.txt"
}

install_go() {
  (
    cd "$sources/go"
    # GOTOOLCHAIN=local: go.mod asks for Go 1.19, the one of Debian 12.
    export GOTOOLCHAIN=local GOFLAGS=-buildvcs=false
    go build -o "$target/bin/go-driver" .
    # Not `go install …@v1.7.19`: in here the version and all it needs are pinned by go.mod and go.sum.
    go build -o "$target/bin/ossutil" github.com/aliyun/ossutil
  )
}

install_go-v2() {
  (cd "$sources/go-v2" && GOTOOLCHAIN=local GOFLAGS=-buildvcs=false go build -o "$target/bin/go-v2-driver" .)
}

install_java() {
  mvn -q -B -Dstyle.color=never -f "$sources/java/pom.xml" package
}

install_java-v2() {
  mvn -q -B -Dstyle.color=never -f "$sources/java-v2/pom.xml" package
}

install_android() {
  # The SDK is an Android archive: a zip with classes.jar. Its classes and Android's compile and run on a plain JVM, but for
  # one whose values come from C code: ours in natives/ comes first on the class path.
  rm -rf "$target/android"
  mvn -q -B -Dstyle.color=never -f "$sources/android/pom.xml" dependency:copy-dependencies -DoutputDirectory="$target/android"
  (cd "$target/android" && jar xf oss-android-sdk-*.aar classes.jar)
  javac -nowarn -cp "$target/android/*" -d "$target/android" "$sources"/android/{,natives/android/os/}*.java
}

once python
once go
once go-v2
once java
once java-v2
once android
