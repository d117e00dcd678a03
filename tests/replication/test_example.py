"""examples/litestream: its demo, and its units."""

import os
import re
import shutil
import subprocess
import sys

from support import extension_path
from support.litestream import EXAMPLE, binary


def test_the_demo_loses_nothing_behind_a_barrier(tmp_path):
    environment = {**os.environ, "LITESTREAM": str(binary().parent), "WFEXT": extension_path().rpartition(".")[0], "PYTHONDONTWRITEBYTECODE": "1", "BATCHES": "120"}
    done = subprocess.run([sys.executable, EXAMPLE / "demo.py", tmp_path / "demo", "2"], env=environment, capture_output=True, text=True, timeout=570)
    assert done.returncode == 0, done.stdout + done.stderr
    losses = re.findall(r"^(file|S3) +(with|without) +(\d) +([\d,]+) +([\d,]+) +([\d,]+)$", done.stdout, re.MULTILINE)
    assert [loss[:3] for loss in losses] == [(kind, barriers, n) for kind in ("file", "S3") for barriers in ("without", "with") for n in "12"]
    assert all(acknowledged != "0" for _, _, _, acknowledged, _, _ in losses)
    assert all(lost == "0" for _, barriers, _, _, _, lost in losses if barriers == "with")
    assert any(lost != "0" for _, barriers, _, _, _, lost in losses if barriers == "without")


def units():
    return sorted((EXAMPLE / "systemd").glob("*.[st]*[er]"))


def test_the_units_use_commands_and_settings_that_the_entrypoint_has():
    script = (EXAMPLE / "entrypoint.sh").read_text()
    known = set(re.findall(r"^#   entrypoint\.sh (\w+) ", script, re.MULTILINE))
    used = set(re.findall(r"entrypoint\.sh (\w+)", "".join(unit.read_text() for unit in units())))
    assert used == known - {"begin", "run"} and len(units()) == 5
    settings = re.findall(r"^(\w+)=", (EXAMPLE / "systemd/replica.env").read_text(), re.MULTILINE)
    assert settings and not [name for name in settings if name not in script]


def test_the_units_are_sound(tmp_path):
    if shutil.which("systemd-analyze") is None:
        return  # what they say is looked at above
    for unit in units():
        text = re.sub(r"/usr/local/\S+", "/bin/true", unit.read_text()).replace("User=app", "User=root")
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *[str(tmp_path / unit.name) for unit in units()]], capture_output=True, text=True, timeout=60)
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line and "replica.env" not in line]
    assert not said, done.stderr
