"""What the tests of the packages have in common: which languages are set up, and the workers that they kill."""

import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NODE = next(iter(sorted((ROOT / "build" / "node" / "node_modules").glob("node-*/bin/node"))), None)


def find_go():
    """A Go that is new enough: the system's, or the one that scripts/setup.sh go has put into build/go."""
    for candidate in (shutil.which("go"), *map(str, (ROOT / "build" / "go").glob("**/bin/go"))):
        if candidate:
            found = re.search(r"go1\.(\d+)", subprocess.run([candidate, "version"], capture_output=True, text=True).stdout)
            if found and int(found.group(1)) >= 24:
                return candidate
    return None


GO = find_go()


def find_cargo():
    """Cargo, 1.85 or later."""
    found = shutil.which("cargo") or shutil.which("cargo", path=Path.home() / ".cargo" / "bin")
    version = re.match(r"cargo 1\.(\d+)", subprocess.run([found, "--version"], capture_output=True, text=True).stdout) if found else None
    return found if version and int(version.group(1)) >= 85 else None


CARGO = find_cargo()
# What is compiled for Rust stays outside of the clone, by version.
CARGO_TARGET = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wfext" / ("rust-" + re.search(r'kVersion\[\] = "([^"]+)"', (ROOT / "ext" / "version.h").read_text()).group(1))


def go(*arguments, timeout=1200, **variables):
    return subprocess.run([GO, *arguments], cwd=ROOT / "bindings" / "go", env={**os.environ, "CGO_ENABLED": "1", **variables}, capture_output=True, text=True, timeout=timeout)


def go_worker(folder):
    """The Go worker that tests kill, built."""
    program = folder / "chaosworker"
    done = go("build", "-o", str(program), "./internal/chaosworker")
    assert done.returncode == 0, done.stderr
    return [str(program)]


NODE_WORKER = [str(NODE), "--disable-warning=ExperimentalWarning", str(ROOT / "bindings" / "node" / "tests" / "chaos_worker.ts")]
PYTHON_WORKER = [sys.executable, str(ROOT / "bindings" / "python" / "tests" / "chaos_worker.py")]


def killed_at_random(app, folder, commands, jobs, kills, seconds):
    """Workers of these commands, killed at random: every workflow ends right, no row is missing or double, no effect got a second key. `app` is on folder/chaos.db."""
    app.client.call("wf_init")
    app.database.submit_alone(lambda connection: connection.execute("CREATE TABLE IF NOT EXISTS result(n)")).result()
    handles = []
    rng = random.Random(7)

    def more(until):
        while len(handles) < until:
            handles.append(app.client.start("job", {"n": len(handles)}, max_attempts=1000))

    def start(at):
        return subprocess.Popen([*commands[at], str(folder / "chaos.db"), str(folder)], stderr=subprocess.DEVNULL)

    workers = [start(at) for at in range(len(commands))]
    try:
        # Each has done something before the first is killed.
        end = time.monotonic() + 120
        while app.client.rows("SELECT count(DISTINCT worker) FROM wf_steps WHERE kind = 'step'")[0][0] < len(commands):
            assert time.monotonic() < end, "one of the workers does nothing"
            more(min(jobs, len(handles) + 1))
            time.sleep(0.1)
        for kill in range(kills):
            more(jobs * (kill + 1) // kills)
            time.sleep(rng.uniform(*seconds))
            at = rng.randrange(len(workers))
            workers[at].kill()
            workers[at].wait()
            workers[at] = start(at)
        more(jobs)
        for n, handle in enumerate(handles):
            assert handle.result(timeout=300) == 3 * n
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert app.client.rows("SELECT n FROM result ORDER BY n") == [(n,) for n in range(jobs)]
    lines = (folder / "effects").read_text().split("\n")[:-1]
    keys = {}
    for line in lines:
        if line.startswith("looping "):
            _, n, key = line.split()
            keys.setdefault(n, set()).add(key)
    assert len(keys) == jobs and all(len(each) == 1 for each in keys.values())
    assert {f"plain {n}" for n in range(jobs)} <= set(lines)
    assert app.client.call("wf_check") is None
