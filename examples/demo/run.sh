#!/usr/bin/env bash
# The demo: a durable import in the stock sqlite3 shell, killed with SIGKILL at random moments until it is done.
#
#   examples/demo/run.sh [directory]     the database is left there as iso.db (default: build/demo)
#
# WFEXT      the module                  (default: build/libwfext.so)
# ISO_CODES  the JSON files to import    (default: those of the Debian package iso-codes)
# KILLS      how many kills to aim at    (default: 8)
# SQLITE3    the shell                   (default: sqlite3)
#
# Exits with 0 only if every object of every file is in its table exactly once.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "${1:-$root/build/demo}"
dir=$(cd "${1:-$root/build/demo}" && pwd)
module=$(realpath "${WFEXT:-$root/build/libwfext.so}")
data=$(realpath "${ISO_CODES:-/usr/share/iso-codes/json}")
kills=${KILLS:-8}
sqlite=${SQLITE3:-sqlite3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "demo: $*" >&2; exit 1; }
[ -f "$module" ] || fail "no module at $module: run make first"
[ -f "$data/iso_3166-1.json" ] || fail "no JSON files in $data: install the package iso-codes, or set ISO_CODES"
cd "$work"
cp "$here"/*.sql .
ln -s "$data" data # names without blanks or quotes
ln -s "$module" libwfext.so

# The stock shell with the module. boxes DATABASE [option...]: results as a person reads them; SQL from the input.
options=(-batch -bail -cmd '.load ./libwfext' -cmd ".parameter set :dir \"'data'\"")
boxes() { "$sqlite" "${options[@]}" "${@:2}" -cmd '.headers on' -cmd "$box" "$1"; }
microseconds() { local now=${EPOCHREALTIME/[.,]/}; echo "$now"; }
box='.mode box'
"$sqlite" -batch :memory: "$box" > modes 2>&1 && [ ! -s modes ] || box='.mode column' # before 3.33

# How long does it take undisturbed?
start=$(microseconds)
"$sqlite" "${options[@]}" rehearsal.db < import.sql > /dev/null || fail "the undisturbed import failed"
whole=$(($(microseconds) - start))
echo "An undisturbed import of the JSON files of iso-codes takes $((whole / 1000)) ms."
echo "Now the same job, killed with SIGKILL at random moments and started again until it is done."

# attempt AFTER: runs the import, killed after so many microseconds unless 0. Returns 0 if it came to its end, 137 if killed.
attempt() {
  local pid status=0
  "$sqlite" "${options[@]}" "$dir/iso.db" < import.sql > /dev/null 2> errors & # the shell itself, no subshell around it
  pid=$!
  if [ "$1" -gt 0 ]; then
    sleep "$(printf '%d.%06d' $(($1 / 1000000)) $(($1 % 1000000)))"
    kill -KILL "$pid" 2> /dev/null || true
  fi
  { wait "$pid" || status=$?; } 2> /dev/null
  return $status
}

# The delays are random; in the mean they are that share of the whole run that spreads the kills over it.
# If luck lets the job end before a third kill, it starts over with shorter delays.
share=$((2 * whole / (kills + 2)))
while :; do
  rm -f "$dir"/iso.db*
  done=0
  while :; do
    delay=0
    [ $done -ge "$kills" ] || delay=$((share * RANDOM / 32768 + 1))
    status=0
    attempt $delay || status=$?
    [ $status != 0 ] || break
    [ $status = 137 ] || fail "the import failed: $(cat errors)"
    done=$((done + 1))
    echo
    echo "Kill $done, $((delay / 1000)) ms after the start. Pending:"
    boxes "$dir/iso.db" -cmd ".parameter set :n $done" -cmd ".parameter set :ms $((delay / 1000))" < killed.sql
  done
  [ $done -lt $((kills < 3 ? kills : 3)) ] || break
  share=$((share / 2))
done
echo
echo "Start $((done + 1)) came to its end."
echo
boxes "$dir/iso.db" < report.sql
echo
echo "The proof: every object of the files against every row of the tables, which have no unique keys that would hide a repetition."
boxes "$dir/iso.db" < proof.sql
[ "$(cat verdict)" = proved ] || fail "the proof failed"
echo "Proved: after $done kills every row is there, once. The database: $dir/iso.db"
echo "See it in the browser: make ui FILE=$(printf %q "$dir/iso.db")"
