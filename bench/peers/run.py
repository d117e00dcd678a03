"""Side by side with what people use instead: make bench-peers. Installs them, runs the same with each, turn by turn, and tells ratios.

    run.py [--quick] [--only NAME]... [--no-install] [--markdown] [--json FILE] [--dir DIRECTORY] [--module FILE]

What is measured stands in measures.py, who takes part in systems.py, what is printed in report.py; bench/README.md says how to read it.
"""

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
from pathlib import Path

import install
import measures
import report
import systems

ROOT = Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(prog="bench/peers/run.py")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all? (not a figure)")
    parser.add_argument("--only", action="append", help="a system (wfext plain honker dbos openworkflow) or a measure (jobs many wake kill); may be repeated")
    parser.add_argument("--no-install", action="store_true", help="take what build/peers has, install nothing")
    parser.add_argument("--markdown", action="store_true", help="the tables as docs/performance.md has them")
    parser.add_argument("--json", default=str(ROOT / "build/bench-peers.json"))
    parser.add_argument("--dir", default=None, help="where the databases go")
    parser.add_argument("--module", default=str(ROOT / "build/libwfext.so"))
    return parser.parse_args()


def main():
    given = arguments()
    folder = ROOT / "build/peers"
    os.environ["WFEXT"], os.environ["PEERS_NODE"] = str(Path(given.module).resolve()), str(folder)
    why = {} if given.no_install else install.install(folder)
    there = systems.find(folder, why)
    only = set(given.only or ())
    chosen = [s for s in systems.ALL if not only & systems.NAMES or s.name in only or (s.name == "wfext" and s.host in hosts(only))]
    with tempfile.TemporaryDirectory(dir=given.dir, prefix="wfext-peers-") as scratch:
        run = measures.Run(Path(scratch), there, chosen, given.quick)
        results = {"versions": there.versions | {"SQLite of Python": sqlite3.sqlite_version}, "machine": platform.platform(), "quick": given.quick,
                   "missing": there.missing}
        for name, measure in measures.ALL.items():
            if not only & set(measures.ALL) or name in only:
                print(f"peers: {name}", file=sys.stderr, flush=True)
                results[name] = measure(run)
    Path(given.json).parent.mkdir(parents=True, exist_ok=True)
    Path(given.json).write_text(json.dumps(results, indent=1) + "\n")
    print(report.text(results, chosen, given.markdown))


def hosts(names):
    return {s.host for s in systems.ALL if s.name in names}


if __name__ == "__main__":
    main()
