#!/usr/bin/env bash
# Builds the node of a cluster (cluster/hiqlite) into <build>/cluster/wfext-node, with the libwfext.a that is in <build>. Does nothing when nothing
# of it has changed. What its 400 crates compile to is kept outside of the clone, 700 MB: the first time takes ten minutes of a processor.
#
#   scripts/cluster.sh <build>
set -euo pipefail
source=$(cd "$(dirname "$0")/../cluster/hiqlite" && pwd)
build=$(cd "$1" && pwd)
version=$(sed -n 's/^hiqlite = .*"=\([^"]*\)".*/\1/p' "$source/Cargo.toml")
target=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/wfext/hiqlite-$version}

key=$(cd "$source" && cat Cargo.toml Cargo.lock build.rs src/*.rs "$build/libwfext.a" | sha256sum | cut -c1-32)
mkdir -p "$build/cluster" "$target/nodes"
[ "$(cat "$build/cluster/key" 2>/dev/null)" = "$key" ] && [ -x "$build/cluster/wfext-node" ] && exit 0

# One clone at a time: the program of another one lies at the same place.
exec 9>"$target/lock"
! command -v flock >/dev/null || flock 9
if [ ! -x "$target/nodes/$key" ]; then
  PATH=$(bash "$(dirname "$0")/cargo.sh" 95):$PATH || exit 1
  WFEXT_STATIC=$build cargo build --release --locked --quiet --manifest-path "$source/Cargo.toml" --target-dir "$target" -j "${JOBS:-$(nproc 2>/dev/null || echo 2)}" >&2
  cp "$target/release/wfext-node" "$target/nodes/$key.new" && mv "$target/nodes/$key.new" "$target/nodes/$key"
  (cd "$target/nodes" && ls -t | tail -n +6 | xargs -r rm -f)    # those of older sources
fi
cp -f "$target/nodes/$key" "$build/cluster/wfext-node.new" && mv "$build/cluster/wfext-node.new" "$build/cluster/wfext-node"
echo "$key" > "$build/cluster/key"
