"""The cases of this folder in every host that is here, and whether they say enough."""

import json
import os
import re

import pytest
from conformance import HERE, load, play
from hosts import HOST, RUNNERS
from table import PAGE, recipe, rows

from support import extension_path

DEEP = bool(os.environ.get("WFEXT_DEEP"))
MISSING = {
    "go": "Go is not set up (scripts/setup.sh go)",
    "node": "Node is not set up (scripts/setup.sh node)",
    "recipes": "the libraries of the recipes are not set up (scripts/setup.sh recipes)",
    "rust": "Rust is not set up (scripts/setup.sh rust)",
    "test": "this host is not set up (scripts/setup.sh test)",
}


def command_of(host):
    if host.deep and not DEEP:
        pytest.skip("only in the deep run: hosts that scripts/setup.sh hosts installs")
    if os.environ.get("WFEXT_SANITIZE") and host.driver != "sqlite3":  # (Python's own)
        pytest.skip("programs would have to be linked with the sanitizers")
    command = host.command()
    if command is None:
        assert not host.deep, "not here: scripts/setup.sh recipes hosts"
        pytest.skip(MISSING[host.setup])
    return command


@pytest.mark.parametrize("name", HOST)
def test_every_case_in(name, tmp_path):
    host = HOST[name]
    command = command_of(host)
    failed = play(command, extension_path(), tmp_path)
    if " on SQLite " in host.driver:
        assert host.driver.endswith(" " + host.version(command))
    assert {case: wrong for case, wrong in failed.items() if case not in host.differs} == {}
    assert set(host.differs) - set(failed) == set(), "these pass by now"


@pytest.mark.parametrize("name", HOST)
def test_the_page_says_what_was_found(name):
    """docs/hosts.md: `make hosts` writes it anew."""
    host = HOST[name]
    row = rows(PAGE.read_text())[name]
    assert (int(row["cases"]), int(row["passed"])) == (len(load()), len(load()) - len(host.differs))
    assert row["traps"] == host.traps
    assert recipe(host) in PAGE.read_text()


def test_there_are_enough_cases():
    assert len(load()) >= 200
    names = [case["case"] for case in load()]
    assert len(set(names)) == len(names)
    assert [case["case"] for case in load() if not any(set(step) & {"gives", "rows", "error", "fails"} for step in case["calls"])] == []


def test_every_function_table_and_code_is_in_a_case(memdb):
    text = json.dumps([[step.get("sql", ""), step.get("error", "")] for case in load() for step in case["calls"]])
    called = set(re.findall(r"(?<!INTO )\b(wf_\w+)\(", text))
    assert set(memdb.column("SELECT name FROM wf_functions")) - called == set()
    assert called - set(memdb.column("SELECT name FROM wf_functions")) == {"wf_nothing", "wf_fleet"}  # a table with a parameter
    named = set(re.findall(r"(?:FROM|JOIN) (wf_\w+)", text))
    assert set(memdb.column("SELECT name FROM pragma_module_list WHERE name LIKE 'wf\\_%' ESCAPE '\\'")) - named == set()
    codes = set(re.findall(r'"(WF_[A-Z_]+)"', (HERE.parents[1] / "ext/base/status.cpp").read_text()))
    assert codes - set(re.findall(r"WF_[A-Z_]+", text)) == {"WF_STUCK"}, "(which takes an authorizer)"


def test_a_difference_is_seen(tmp_path):
    """A runner that says something else, fails where it should not, or ends too early does not pass."""
    cases = [
        {"case": "value", "calls": [{"sql": "SELECT 1", "gives": 2}]},
        {"case": "type", "calls": [{"sql": "SELECT 1.0", "gives": 1}]},
        {"case": "text for a number", "calls": [{"sql": "SELECT '1'", "gives": 1}]},
        {"case": "text for a BLOB", "calls": [{"sql": "SELECT 'a'", "gives": {"blob": "61"}}]},
        {"case": "row too many", "calls": [{"sql": "SELECT 1 UNION ALL SELECT 1", "gives": 1}]},
        {"case": "no row", "calls": [{"sql": "SELECT 1 WHERE 0", "gives": None}]},
        {"case": "no error", "calls": [{"sql": "SELECT 1", "error": "WF_STATE"}]},
        {"case": "another error", "calls": [{"sql": "SELECT wf_step('no', 'a')", "error": "WF_STATE"}]},
        {"case": "an error", "calls": [{"sql": "SELECT wf_step('no', 'a')", "gives": None}]},
        {"case": "does not fail", "calls": [{"sql": "SELECT 1", "fails": True}]},
        {"case": "gap", "calls": [{"sql": "SELECT 'abc'", "gives": {"like": "a...d"}}]},
        {"case": "fine", "calls": [{"sql": "SELECT ?1", "with": [{"real": "1.0"}], "gives": {"real": "1.0"}}]},
    ]
    command = HOST["Python, sqlite3"].command()
    assert set(play(command, extension_path(), tmp_path / "a", cases)) == {case["case"] for case in cases} - {"fine"}
    assert "ended" in play(["true"], extension_path(), tmp_path / "b", cases)["fine"]


def test_every_runner_is_in_the_list():
    listed = {host.runner for host in HOST.values()} | {"protocol.py", "protocol.mjs", "go/go.mod", "go/go.sum", "rust/Cargo.toml"}
    assert {str(file.relative_to(RUNNERS)) for file in RUNNERS.rglob("*") if file.is_file() and "__pycache__" not in file.parts} == listed
