"""Instructions of one call of each function, counted by callgrind: those of the module alone, so that neither SQLite's version nor the machine's speed decides.

    python3 tests/instructions/counting.py           prints them beside those that are kept, and what has changed
    python3 tests/instructions/counting.py --write   keeps them (make instructions)

Each function is called twice on a new connection: once in a transaction that is rolled back, by which its statements are compiled, and once to be counted.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parent / "hosts"))

from support import BASE, extension_path, made_by  # noqa: E402
from test_every_function import CALLS  # noqa: E402

KEPT = HERE / "figures.json"
# As the fixture of test_every_function.py.
BEFORE = """\
SELECT wf_init()
SELECT wf_clock(%d)
CREATE TABLE app(k INTEGER PRIMARY KEY, v)
SELECT wf_start('job', 1, '{"id":"w"}'), wf_start('job', 1, '{"id":"p"}'), wf_start('job', 1, '{"id":"f"}'), wf_start('job', 1, '{"id":"s"}'), wf_start('job', 1, '{"id":"x"}')
SELECT wf_begin('p', 'doubt')
SELECT wf_fail('f', 'no', '{"retry":false}')
SELECT wf_append('s', 'log', 1)
SELECT wf_pause('s')
SELECT wf_rate('api', '{"limit":1,"per":60}')
SELECT wf_schedule('old', '@daily', 'job')
SELECT wf_define('flow', '{"steps":[{"name":"a","sql":"INSERT INTO app VALUES(99, :id)"}]}')
SELECT wf_start('flow', NULL, '{"id":"scripted"}')
INSERT INTO app VALUES (1, replace(wf_export('x'), '"id":"x"', '"id":"y"'))
SELECT wf_claim(NULL, NULL, '{"id":"w"}')
""" % BASE
# Not in the call that is counted: it is undone before, and no file makes a table twice.
MADE = list(made_by())
# The calls of a worker's loop in their other forms.
MORE = {
    "wf_step, read": "wf_step({t}, 'a')",
    "wf_claim, with steps": """wf_claim(NULL, 'w', '{"key":"k","steps":true}')""",
    "wf_complete, with step and next": """wf_complete({t}, 1, '{"step":"a","next":{"key":"k"}}')""",
}
# What it takes depends on how often it has to wait for another process.
COUNTED = sorted({name: call for name, call in {**CALLS, **MORE}.items() if name != "wf_sync"}.items())


def program():
    lines = []
    for name, call in COUNTED:
        warm = ["SELECT " + call] if name == "wf_wait" else ["BEGIN IMMEDIATE", "SELECT " + call, "ROLLBACK", "BEGIN IMMEDIATE", "SELECT " + call, "ROLLBACK"]
        init, *rest = BEFORE.splitlines()
        lines += ["=", init, *MADE, *rest] + warm + [">SELECT " + call]
    return [name for name, _ in COUNTED], "\n".join(lines) + "\n"


def instructions_of(dump, module):
    """What callgrind has counted in the module, without what that has called."""
    total, inside, called = 0, False, False
    for line in dump.read_text().splitlines():
        if line.startswith("ob="):
            inside = line[3:] == module
        elif line.startswith("calls="):
            called = True                      # the next line is what the call has cost
        elif re.match(r"[0-9+*-]", line):
            if inside and not called:
                total += int(line.split()[1])
            called = False
    return total


def key(module):
    """What the figures depend on beside the code."""
    said = subprocess.run(["readelf", "-p", ".comment", module], capture_output=True, text=True, check=True).stdout
    compilers = re.findall(r"GCC: \([^)]*\) [0-9.]+|clang version [0-9.]+", said)
    return "%s, %s" % (compilers[0] if compilers else "unknown compiler", os.uname().machine)


def count(module):
    module = str(Path(module).resolve())
    names, lines = program()
    with tempfile.TemporaryDirectory() as folder:
        host = os.path.join(folder, "host")
        subprocess.run([shutil.which("cc") or "gcc", "-O1", str(HERE / "host.c"), "-o", host, "-lsqlite3"], check=True)
        subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=%s/out" % folder, "--collect-atstart=no", "--toggle-collect=measured", "--dump-after=measured",
             "--compress-strings=no", "--compress-pos=no", "--vgdb=no", "-q", host, module],
            input=lines, text=True, check=True, env={**os.environ, "WFEXT": module},
        )  # fmt: skip
        dumps = sorted(Path(folder).glob("out.*"), key=lambda p: int(p.suffix[1:]))
        assert len(dumps) == len(names), (len(dumps), len(names))
        return {name: instructions_of(dump, module) for name, dump in zip(names, dumps)}


def kept():
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def main():
    module = extension_path()
    now, before = count(module), kept().get(key(module), {})
    for name, instructions in now.items():
        change = "%+.1f %%" % (100.0 * instructions / before[name] - 100) if name in before else "new"
        print("%-34s %9d %9s %9s" % (name, instructions, before.get(name, ""), change))
    if "--write" in sys.argv:
        KEPT.write_text(json.dumps({**kept(), key(module): now}, indent=1) + "\n")


if __name__ == "__main__":
    main()
