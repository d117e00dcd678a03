#!/usr/bin/env bash
# Runs the unit tests and pytest on what a build folder holds; fails if either fails.
#
#   scripts/test.sh <build folder> [pytest arguments]
#
# With arguments for pytest it runs what they select, and no unit tests.
# What the folder was configured for decides: with sanitizers their run-time libraries are preloaded into Python, with another
# SQLite Python gets that one. Tests may look at WFEXT (the module), WFEXT_SANITIZE=1 and WFEXT_COMPAT=1 for these two,
# and WFEXT_DEEP=1 for the long forms. The last lines are the closing lines of both runners.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: scripts/test.sh <build folder> [pytest arguments]}
shift
python=$(bash scripts/python.sh pytest hypothesis) || exit 1
logs=$build/logs
mkdir -p "$logs"

limit() {     # ends a run that hangs, so that the closing lines still come
  if [ -z "${WFEXT_DEEP:-}" ] && command -v timeout >/dev/null; then timeout --foreground -s INT -k 60 3600 "$@"; else "$@"; fi
}

# What pytest, and only pytest, needs in its environment.
settings=("WFEXT=$PWD/${build#"$PWD"/}/libwfext.so" PYTHONDONTWRITEBYTECODE=1)
[ -e "$build/libwfext.dylib" ] && settings[0]=${settings[0]%.so}.dylib
if grep -q '^WFEXT_SANITIZE:BOOL=ON' "$build/CMakeCache.txt"; then
  cxx=${CXX:-c++}
  settings+=("LD_PRELOAD=$($cxx -print-file-name=libasan.so) $($cxx -print-file-name=libstdc++.so.6)"
             ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 WFEXT_SANITIZE=1)
fi
if [ -e "$build/sqlite/libsqlite3.so.0" ]; then
  # The shell refuses a library other than the one it was built with: it keeps the system's.
  mkdir -p "$build/bin"
  printf '#!/bin/sh\nexec env -u LD_LIBRARY_PATH %q "$@"\n' "$(command -v sqlite3)" > "$build/bin/sqlite3"
  chmod +x "$build/bin/sqlite3"
  settings+=("LD_LIBRARY_PATH=$PWD/$build/sqlite" "PATH=$PWD/$build/bin:$PATH" WFEXT_COMPAT=1)
  env "${settings[@]}" "$python" -c 'import sqlite3; print("pytest runs on SQLite", sqlite3.sqlite_version)'
fi

# A whole run takes all cores; what was selected runs in the order of the files.
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
side_by_side=()
if [ $# -eq 0 ] && [ "$jobs" -gt 1 ] && "$python" -c 'import xdist' 2>/dev/null; then side_by_side=(-n "$jobs"); fi

unit=0
: > "$logs/ctest.log"
if [ $# -eq 0 ]; then
  limit ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$jobs" 2>&1 </dev/null | tee "$logs/ctest.log"
  unit=$?
fi
# (tests/dist by name: pytest passes over folders that are called so.)
# The packages beside them run from their sources, with the module that is tested.
settings+=("WFEXT_LIBRARY=${settings[0]#WFEXT=}" "PYTHONPATH=$PWD/bindings/python/src")
limit env "${settings[@]}" "$python" -m pytest tests tests/dist bindings -rs -p no:cacheprovider -o faulthandler_timeout=600 --durations=20 ${side_by_side[@]+"${side_by_side[@]}"} "$@" \
  2>&1 </dev/null | tee "$logs/pytest.log"
sql=$?

echo
if [ $unit -ne 0 ] || [ $sql -ne 0 ]; then
  [ $unit -ne 0 ] && echo "unit tests failed (ctest exited $unit): $logs/ctest.log"
  [ $sql -ne 0 ] && echo "SQL tests failed (pytest exited $sql): $logs/pytest.log"
fi
grep -E '^[0-9]+% tests passed|^No tests were found' "$logs/ctest.log" | tail -n 1
grep -E '^(=+ )?([0-9]+ (passed|failed|error|skipped|deselected|xfailed|xpassed|warning)|no tests ran).* in [0-9.]+s' "$logs/pytest.log" | tail -n 1
[ $unit -eq 0 ] && [ $sql -eq 0 ]
