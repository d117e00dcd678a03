#!/usr/bin/env bash
# Puts the source of another SQLite into a folder, and prints that folder.
#
#   scripts/old-sqlite.sh [version of better-sqlite3]       6.0.1 = SQLite 3.31.1 (default), 7.1.0 = 3.32.0, 9.6.0 = 3.45.3
#
# The npm package better-sqlite3 carries the amalgamation that it compiles; nothing else of it is used or run.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-6.0.1}
folder=build/sqlite-of-better-sqlite3-$version

if [ ! -e "$folder/sqlite3.c" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && npm pack --silent "better-sqlite3@$version" </dev/null >/dev/null && tar xzf better-sqlite3-*.tgz)
  mkdir -p "$folder"
  if [ -e "$work/package/deps/sqlite3.tar.gz" ]; then
    tar xzf "$work/package/deps/sqlite3.tar.gz" -C "$folder"
  else
    cp "$work"/package/deps/sqlite3/*.[ch] "$folder"
  fi
fi
echo "$PWD/$folder"
