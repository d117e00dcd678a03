#!/usr/bin/env bash
# Makes the object file of the engine that bindings/go/engine links in, for this machine's platform.
#
#   scripts/go-engine.sh <libwfext.a> <folder of the package engine>
#
# Go links what is named wfext_<os>_<cpu>.syso in a package's folder, also where it is vendored. One symbol of it is seen from outside.
set -euo pipefail
archive=${1:?usage: scripts/go-engine.sh <libwfext.a> <folder>}
folder=${2:?usage: scripts/go-engine.sh <libwfext.a> <folder>}
platform=$("${GO:-go}" env GOOS)_$("${GO:-go}" env GOARCH)
object=$(mktemp)
trap 'rm -f "$object"' EXIT
case $platform in
  linux_*)
    ld -r --whole-archive "$archive" -o "$object"
    objcopy --keep-global-symbol=sqlite3_wfext_init "$object" "$folder/wfext_$platform.syso"
    ;;
  darwin_*)
    ld -r -all_load "$archive" -exported_symbol _sqlite3_wfext_init -o "$folder/wfext_$platform.syso"
    ;;
  *)
    echo "go-engine: not known how to make it for $platform" >&2
    exit 1
    ;;
esac
