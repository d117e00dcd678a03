#!/usr/bin/env python3
"""Puts the crate together: bindings/rust with the amalgamation and the header of SQLite in it.

    scripts/crate.py <folder> [<folder of the amalgamation>]
"""

import shutil
import sys
from pathlib import Path

from dist import ROOT, sqlite_headers


def crate(folder, amalgamation=ROOT / "build" / "amalgamation"):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "bindings" / "rust", folder, ignore=shutil.ignore_patterns("target", "Cargo.lock", "engine", "consumer"))
    (folder / "engine").mkdir()
    for path in (amalgamation / "wfext.cpp", sqlite_headers() / "sqlite3.h"):
        shutil.copy(path, folder / "engine")
    shutil.copy(ROOT / "LICENSE", folder)
    return folder


if __name__ == "__main__":
    crate(*map(Path, sys.argv[1:3]))
