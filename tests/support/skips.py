"""Which tests may be skipped, when, and why. With WFEXT_NO_SKIPS set, as CI does, any other skip is an error.

A test that is skipped is one that nobody runs: a fresh machine gets what the tests need (scripts/setup.sh), and what cannot be had
for a reason stands here.
"""

import os
import platform
import sqlite3
import sys
from pathlib import Path

SANITIZED, COMPAT = bool(os.environ.get("WFEXT_SANITIZE")), bool(os.environ.get("WFEXT_COMPAT"))
CI = bool(os.environ.get("CI"))  # where all languages are there; elsewhere what belongs to one is skipped, and the summary says so
OLD_PYTHON = sys.version_info < (3, 11)
VERSION = sqlite3.sqlite_version_info

# The reason that the test gives: whether it is one here.
ALLOWED = {
    "root reads everything": os.geteuid() == 0,
    "a promise of release builds": SANITIZED,
    "the shell would need the sanitizer's library": SANITIZED,
    "address sanitizer keeps freed memory for a while": SANITIZED,
    "programs would have to be linked with the sanitizers": SANITIZED,
    "programs are linked with the system's SQLite": COMPAT,
    "before 3.38 SQLite looks the values up one by one, and sorts": VERSION < (3, 38),
    "before 3.39 SQLite reads nothing of a row that is longer than its limit": VERSION < (3, 39),
    "the packages of bench/peers are not installed": not (Path(__file__).parents[2] / "build/peers/py").exists(),
    "RETURNING is 3.35": VERSION < (3, 35),
    "sqlite3.Connection.setlimit is new in Python 3.11": OLD_PYTHON,
    "no setlimit in this Python": OLD_PYTHON,
    "the package wants Python 3.11": OLD_PYTHON,
    "the package mcp is not set up (scripts/setup.sh mcp)": not CI,
    "SQLite 3.31 is not built here: make test-compat": not (Path(__file__).parents[2] / "build/compat/sqlite/libsqlite3.so.0").exists(),
    "Node is not set up (scripts/setup.sh node)": not CI,
    "Go is not set up (scripts/setup.sh go)": not CI,
    "the libraries of the recipes are not set up (scripts/setup.sh recipes)": not CI,
    "Litestream is not set up (scripts/setup.sh litestream)": not CI,
    "the page is not set up (scripts/setup.sh ui)": not CI,
    "a browser is not set up (scripts/setup.sh ui browser)": not CI,
    "no processor whose instructions are known here": platform.machine() not in ("x86_64", "aarch64", "arm64"),
    "only Linux says how a file is open": not sys.platform.startswith("linux"),
    "PostgreSQL and Absurd are not set up (scripts/setup.sh leaving)": not CI,
    "Rust is not set up (scripts/setup.sh rust)": not CI,
    "Rust 1.95 is not set up (scripts/setup.sh cluster)": not CI,
    "the crates of the cluster's node cannot be had": not CI,  # without a network, the first time
    "strace is not installed (scripts/setup.sh cluster)": not CI,
    "only in the deep run: 5,000 workflows and 30 kills": True,
    "RQLITED names no rqlited: this is NOT tested (docs/cluster.md)": not os.environ.get("RQLITED"),
    "Zig is not set up (scripts/setup.sh dist)": not CI,
    "only in the deep run: builds for other platforms": True,
    "the deep run builds all of it": True,
    "what runs programs of other platforms is not installed (scripts/setup.sh platforms)": True,  # asked for in the deep run alone
    "only in the deep run: compiles SQLite once more": True,
    "only in the deep run: compiles SQLite and the extension once more": True,
    "the newest rusqlite wants Rust 1.89": not CI,
    "only in the deep run: compiles the library of Go once more": True,
    "only in the deep run: hosts that scripts/setup.sh hosts installs": True,
    "this host is not set up (scripts/setup.sh test)": not CI,
    "no serialize in this Python": OLD_PYTHON,
    "this Python does not say that it is serialized": OLD_PYTHON,
}

unlisted = []


def _look_at(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not ALLOWED.get(reason.removeprefix("Skipped: "), False):
            unlisted.append((report.nodeid, reason))


def pytest_runtest_logreport(report):
    _look_at(report)


def pytest_collectreport(report):
    _look_at(report)


def pytest_sessionfinish(session):
    if unlisted and os.environ.get("WFEXT_NO_SKIPS") and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    if unlisted:
        error = bool(os.environ.get("WFEXT_NO_SKIPS"))
        terminalreporter.section("skipped without a listed reason (tests/support/skips.py)" + (": an error here" if error else ""))
        for test, reason in unlisted:
            terminalreporter.line(f"{test}: {reason}")
