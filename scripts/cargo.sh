#!/usr/bin/env bash
# Prints the folder of a Cargo 1.<minor> or later, with its rustc beside it: put it first in PATH. Fails, and says what there is, where there is none.
#
#   scripts/cargo.sh <minor>
set -uo pipefail
minor=$1
by_rustup() { { rustup which --toolchain stable cargo || ~/.cargo/bin/rustup which --toolchain stable cargo; } 2>/dev/null; }
found=
for cargo in "$(command -v cargo)" ~/.cargo/bin/cargo "$(by_rustup)"; do
  [ -x "$cargo" ] || continue
  version=$("$cargo" --version 2>/dev/null </dev/null) || continue
  [[ $version =~ ^cargo\ 1\.([0-9]+) ]] || continue
  [ "${BASH_REMATCH[1]}" -ge "$minor" ] && { dirname "$cargo"; exit 0; }
  found+="${found:+, }$cargo is 1.${BASH_REMATCH[1]}"
done
echo "Rust 1.$minor or later is wanted, and ${found:-there is none}: 'rustup toolchain install stable' (rustup is at rustup.rs, where the distribution has none)" >&2
exit 1
