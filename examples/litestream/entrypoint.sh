#!/usr/bin/env bash
# Runs an application on a file that Litestream replicates, on a machine that may have lost it.
#
#   entrypoint.sh begin                   once in the life of REPLICA, by hand: says there that nothing was published yet, so that the first machine may begin a file
#   entrypoint.sh run <application> ...   all of it: the entrypoint of a container
#   entrypoint.sh prepare                 where there is no file, restores it and recovers: once, before all else
#   entrypoint.sh replicate               becomes Litestream
#   entrypoint.sh publish                 once Litestream runs: waits until the replica is whole, then says which path is the current one
#   entrypoint.sh check                   whether that is still the path of this file; 3: another machine has taken over
#
# Every restored file goes on under a path of its own, below REPLICA: two writers on one path would break it, and the machine that was thought dead may live.
# REPLICA/current names the path that is whole, and that the next restore takes; `none` says that there is none yet. Where it is missing nothing is begun: REPLICA
# may be a share that is not mounted, or another bucket. $DB.replica names the path of the file that is here, and behind it the one that it was restored from.
#
# Settings, from the environment:
#   DB        the file                            /data/app.db
#   REPLICA   where its replicas are              file:///replicas/app, or s3://bucket/app
#   SOCKET    Litestream's control socket         /run/litestream.sock
#   WFEXT     the extension, without its suffix   /usr/local/lib/libwfext
#   CONFIG    default litestream.file.yml or litestream.s3.yml beside this script
#   S3:       AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION (us-east-1), S3_ENDPOINT (https://s3.<region>.amazonaws.com)
# It needs litestream 0.5.18 or later, sqlite3, and for S3 curl 7.87 or later.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${DB:?is the path of the database}" "${REPLICA:?is where its replicas are}" "${SOCKET:=/run/litestream.sock}" "${WFEXT:=/usr/local/lib/libwfext}"
die() { echo "entrypoint: $*" >&2; exit "${status:-1}"; }
taken() { status=3 die "another machine has taken over: $*"; }
folder=$(cd "$(dirname "$DB")" && pwd -P) || die "DB is $DB, and there is no such folder: is the volume there?"
DB=$folder/$(basename "$DB")   # Litestream knows it by this name alone

case $REPLICA in
  file:///*)
    REPLICA_ROOT=${REPLICA#file://}
    : "${CONFIG:=$here/litestream.file.yml}"
    stored_current() { if [ -e "$REPLICA_ROOT/current" ]; then cat "$REPLICA_ROOT/current"; fi; }
    write_current() {
      local new=$REPLICA_ROOT/.current.$1   # of this path alone: two machines may be here at once
      mkdir -p "$REPLICA_ROOT"
      printf '%s\n' "$1" > "$new"
      sync "$new"
      mv "$new" "$REPLICA_ROOT/current"
      sync "$REPLICA_ROOT"                  # a power cut takes the name back no more
    }
    ;;
  s3://*/*)
    BUCKET=${REPLICA#s3://} REPLICA_ROOT=${REPLICA#s3://*/}
    BUCKET=${BUCKET%%/*}
    : "${AWS_REGION:=us-east-1}" "${S3_ENDPOINT:=https://s3.$AWS_REGION.amazonaws.com}" "${CONFIG:=$here/litestream.s3.yml}"
    export BUCKET AWS_REGION S3_ENDPOINT
    object() {  # object <arguments of curl>: prints the answer, and its status in a last line
      curl -sS --retry 3 --retry-delay 1 --retry-connrefused --aws-sigv4 "aws:amz:$AWS_REGION:s3" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -K - -w '\n%{http_code}' "$@" "$S3_ENDPOINT/$BUCKET/$REPLICA_ROOT/current" \
        <<<"user = \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\""   # not in the list of processes
    }
    stored_current() {
      local said
      said=$(object)
      case ${said##*$'\n'} in
        200) printf '%s' "${said%$'\n'*}" ;;
        404) case $said in *NoSuchBucket*) die "there is no bucket $BUCKET" ;; esac ;;   # else nothing was ever published
        *) die "cannot read $REPLICA/current: $said" ;;   # which is not the same
      esac
    }
    write_current() {
      local said
      said=$(object -X PUT --data-raw "$1" -H 'Content-Type: text/plain')
      [ "${said##*$'\n'}" = 200 ] || die "cannot write $REPLICA/current: $said"
    }
    ;;
  *) die "REPLICA must be file:///path or s3://bucket/path, not $REPLICA" ;;
esac
export DB SOCKET REPLICA_ROOT REPLICA_EPOCH=none
case $DB in *[#?%]*) die "DB is $DB: Litestream opens no file with #, ? or % in its name" ;; esac
read_current() {
  local said
  said=$(stored_current)
  [ -n "$said" ] || die "nothing was ever published at $REPLICA: is it mounted, and the right one? If this is its first start, say so once: entrypoint.sh begin"
  echo "$said"
}
# The same as they stand between the quotes of the configuration.
export DB_QUOTED=${DB//\'/\'\'} SOCKET_QUOTED=${SOCKET//\'/\'\'} REPLICA_ROOT_QUOTED=${REPLICA_ROOT//\'/\'\'}

in_file() {  # in_file <database> <SQL>
  sqlite3 -bail -batch -cmd ".load '$WFEXT'" -cmd ".timeout 10000" -cmd "PRAGMA synchronous = FULL" "$1" "$2"
}
# A path that nothing else has ever had: the epoch, and what tells machines apart that begin it in the same millisecond.
new_path() { echo "$1-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')"; }

begin() {
  local current
  current=$(stored_current)
  [ -z "$current" ] || { echo "entrypoint: $REPLICA was begun before, $current is the current one"; return; }
  write_current none
}

prepare() {
  local current mine origin epoch
  current=$(read_current)
  if [ -e "$DB" ]; then
    read -r mine origin 2>/dev/null < "$DB.replica" || die "$DB is there, but not $DB.replica: how was it made?"
    # Or it was not published yet.
    [ "$current" = "$mine" ] || [ "$current" = "$origin" ] || taken "$DB is replicated to $mine, and $current is the current one.
What this file has and that one has not is lost to the others. To go on there, put $DB, $DB-wal and $DB.replica aside."
    return
  fi
  rm -rf "$DB.new" "$DB.new-wal" "$DB.new-shm" "$DB-wal" "$DB-shm" "$(dirname "$DB")/.$(basename "$DB")-litestream"   # of another file
  if [ "$current" != none ]; then
    REPLICA_EPOCH=$current litestream restore -config "$CONFIG" -integrity-check full -o "$DB.new" "$DB"
    in_file "$DB.new" "SELECT 'entrypoint: recovered ' || wf_recover()"
  else
    in_file "$DB.new" "PRAGMA journal_mode = WAL; SELECT 'entrypoint: new file ' || wf_init()"
  fi
  epoch=$(in_file "$DB.new" "SELECT wf_config('epoch')")
  [ ! -s "$DB.new-wal" ] || die "$DB.new is still in use"
  echo "$(new_path "$epoch") $current" > "$DB.replica"
  sync "$DB.new" "$DB.replica" "$folder"
  mv "$DB.new" "$DB"     # a machine that dies before this line begins anew
  sync "$folder"
}

publish() {
  local current mine origin said tries
  current=$(read_current)
  read -r mine origin < "$DB.replica"
  [ "$current" != "$mine" ] || return 0
  [ "$current" = "$origin" ] || taken "$current"
  tries=0
  until said=$(in_file "$DB" "SELECT 'entrypoint: replicated to $mine: ' || wf_sync('1m', json_object('socket', '$SOCKET_QUOTED'))" 2>&1); do
    case $said in *"No such file"* | *"Connection refused"*) ;; *) die "$said" ;; esac   # Litestream is just starting
    [ $((tries += 1)) -le 100 ] || die "$said"
    sleep 0.1
  done
  echo "$said"
  write_current "$mine"
}

replicate() {
  read -r REPLICA_EPOCH _ < "$DB.replica"
  export REPLICA_EPOCH
  exec litestream replicate -config "$CONFIG" "$@"
}

command=${1:-help}
shift || true
case $command in
  run)
    [ $# -gt 0 ] || die "run what?"
    prepare
    rm -f "$SOCKET"
    # Litestream starts the application, and ends when it does, with all of it replicated.
    APPLICATION=$(printf '%q ' "$@")
    export APPLICATION
    replicate -exec "bash '$here/entrypoint.sh' as-child"
    ;;
  as-child)
    publish
    eval "exec $APPLICATION"
    ;;
  begin | prepare | replicate | publish) "$command" "$@" ;;
  check)
    read -r mine _ < "$DB.replica"
    current=$(read_current)
    [ "$current" = "$mine" ] || taken "$current is the current one, and not $mine"
    ;;
  *) sed -n '2,10p' "$0" >&2; exit 2 ;;
esac
