#!/usr/bin/env bash
# Prints the path of a Python 3 whose sqlite3 module can load extensions and that has the modules named as arguments.
#
#   scripts/python.sh pytest hypothesis
#
# Many builds of Python leave extension loading out (pyenv's by default, python.org's for macOS); the one that the system's
# package manager installs has it as a rule. $PYTHON, when set, is the only one looked at.
set -euo pipefail

check='
import sqlite3, sys, importlib
sqlite3.connect(":memory:").enable_load_extension(True)
for module in sys.argv[1:]: importlib.import_module(module)
print(sys.executable)'

if [ -n "${PYTHON:-}" ]; then
  candidates=("$PYTHON")
else
  candidates=(python3 /usr/bin/python3 /usr/local/bin/python3 /opt/homebrew/bin/python3
              python3.14 python3.13 python3.12 python3.11 python3.10 python3.9)
fi

tried=
for candidate in "${candidates[@]}"; do
  command -v "$candidate" >/dev/null || continue
  if answer=$("$candidate" -c "$check" "$@" 2>&1 </dev/null); then
    echo "$answer"
    exit 0
  fi
  reason=$(grep -E '^[A-Za-z.]+Error: ' <<<"$answer" | tail -n 1 || true)
  tried+="  $candidate: ${reason:-does not run}"$'\n'
done

cat >&2 <<END
No Python 3 whose sqlite3 module can load extensions${1:+, with $*}:
${tried:-  none found
}On Debian or Ubuntu:  apt-get install python3 python3-pytest python3-hypothesis  (it is then /usr/bin/python3)
Elsewhere: install such a Python (Homebrew's, conda's and most distributions' are), then  <python> -m pip install pytest hypothesis
and run make with PYTHON=<python>.
END
exit 1
