"""examples/demo/run.sh: an import that is killed and started again proves that every row is there once, or fails."""

import json
import os
import re
import shutil
import subprocess

import pytest

from furnish import EXAMPLES
from support import extension_path, open_database

ISO_CODES = "/usr/share/iso-codes/json"
SIZES = {"3166-1": 40, "3166-2": 300, "3166-3": 7, "15924": 30, "4217": 20, "639-2": 50, "639-3": 400, "639-5": 15}

pytestmark = pytest.mark.skipif(not os.path.exists(ISO_CODES), reason="the package iso-codes is not installed")


def demo(directory, data=ISO_CODES, **settings):
    environment = {**os.environ, "WFEXT": str(extension_path()), "ISO_CODES": str(data), **settings}
    return subprocess.run([str(EXAMPLES / "demo" / "run.sh"), str(directory)], env=environment, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The first objects of each file."""
    data = tmp_path_factory.mktemp("json data")
    for standard, size in SIZES.items():
        with open(f"{ISO_CODES}/iso_{standard}.json") as file:
            objects = json.load(file)[standard]
        (data / f"iso_{standard}.json").write_text(json.dumps({standard: objects[:size]}))
    return data


def test_the_short_form_is_killed_and_proved(short, tmp_path):
    done = demo(tmp_path / "it's here", short, KILLS="3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].startswith("See it in the browser: make ui FILE=") and done.stdout.rstrip().endswith("/iso.db")
    kills = re.findall(r"^Kill \d+, \d+ ms after the start", done.stdout, re.MULTILINE)
    assert len(kills) >= 3
    assert "│" in done.stdout or "|" in done.stdout or "import countries" in done.stdout
    with open_database(tmp_path / "it's here" / "iso.db") as db:
        assert db.rows("SELECT DISTINCT status FROM wf_workflows") == [("completed",)]
        assert db.value("SELECT count(*) FROM wf_workflows") == len(SIZES)
        assert db.value("SELECT sum(rows) FROM loaded") == sum(SIZES.values())
        assert db.value("SELECT count(*) FROM item") == db.value("SELECT count(*) FROM raw") == 0
        assert db.value("SELECT count(*) FROM kill") >= 3
    db.close()


def test_a_row_that_is_there_twice_fails_the_proof(short, tmp_path):
    """The demo with a script that loads scripts twice, in place of a broken engine."""
    broken = tmp_path / "demo"
    shutil.copytree(EXAMPLES / "demo", broken)
    load = (broken / "load.sql").read_text()
    statement = re.search(r"INSERT INTO script\n.*?;\n", load, re.DOTALL).group(0)
    (broken / "load.sql").write_text(load.replace(statement, statement * 2))
    check = (broken / "file.sql").read_text()
    (broken / "file.sql").write_text(check.replace("loaded.rows = item.rows", "1"))
    environment = {**os.environ, "WFEXT": str(extension_path()), "ISO_CODES": str(short), "KILLS": "0"}
    done = subprocess.run([str(broken / "run.sh"), str(tmp_path / "out")], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "the proof failed" in done.stderr


def test_a_check_that_fails_fails_the_workflow_and_the_demo(short, tmp_path):
    broken = tmp_path / "demo"
    shutil.copytree(EXAMPLES / "demo", broken)
    load = (broken / "load.sql").read_text()
    statement = re.search(r"INSERT INTO currency\n.*?;\n", load, re.DOTALL).group(0)
    (broken / "load.sql").write_text(load.replace(statement, statement * 2))
    environment = {**os.environ, "WFEXT": str(extension_path()), "ISO_CODES": str(short), "KILLS": "0"}
    done = subprocess.run([str(broken / "run.sh"), str(tmp_path / "out")], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "the undisturbed import failed" in done.stderr and "WF_STATE" in done.stderr


def test_missing_data_and_a_missing_module_are_named(tmp_path):
    done = demo(tmp_path, tmp_path)
    assert done.returncode == 1 and "install the package iso-codes" in done.stderr
    done = demo(tmp_path, WFEXT=str(tmp_path / "libwfext.so"))
    assert done.returncode == 1 and "run make first" in done.stderr
