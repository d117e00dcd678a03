"""What is stored is input: every column of every table damaged, one after the other, and rows at random, by damage.py in processes of their own.

A crash, a hang or a transaction left open fails, and so does any report of a sanitizer; a result of JSON that does not parse, a text that hosts
cannot read, an error without a code, and a table that cannot be read (wf_exports may say that a workflow cannot be exported). Columns and tables are
those that the file has, so that a new one comes in
by itself.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from damage import tables  # noqa: E402

DEEP = bool(os.environ.get("WFEXT_DEEP"))
SLOW = bool(os.environ.get("WFEXT_SANITIZE"))
SHARE = "1" if DEEP else "0.08" if SLOW else "0.25"


def run(*arguments):
    program = Path(__file__).with_name("damage.py")
    done = subprocess.run([sys.executable, str(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=36000 if DEEP else 1200)
    assert done.returncode == 0, "exit code %d after: %s" % (done.returncode, done.stdout[-3000:])


ALL = tables()


# A few tables a process, so that a failure names few, and several can run at a time.
@pytest.mark.parametrize("some", [ALL[i::4] for i in range(4)], ids="-".join)
def test_any_value_in_any_column(some):
    run("columns", SHARE, *some)


@pytest.mark.parametrize("seed", range(40 if DEEP else 2))
def test_random_values_in_random_rows(seed):
    run("fuzz", SHARE, str(seed), "500" if DEEP else "30" if SLOW else "80")
