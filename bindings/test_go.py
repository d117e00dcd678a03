"""The Go package: its own tests, vet and formatting, what happens without cgo, and kills."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from languages import GO, ROOT, go, go_worker, killed_at_random

PACKAGE = ROOT / "bindings" / "go"

pytestmark = pytest.mark.skipif(GO is None, reason="Go is not set up (scripts/setup.sh go)")


def test_go():
    done = go("test", "-count=1", "-v", ".")
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    assert set(re.findall(r"^--- PASS: (\w+)", done.stdout, re.MULTILINE)) == written()


def written():
    """The names of all tests that are written down."""
    return {name for file in PACKAGE.glob("*_test.go") for name in re.findall(r"^func (Test\w+)", file.read_text(), re.MULTILINE)}


@pytest.mark.skipif(not os.environ.get("WFEXT_DEEP"), reason="only in the deep run: compiles SQLite once more")
def test_race():
    done = go("test", "-count=1", "-race", ".")
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


def test_every_scenario_has_its_test():
    """The table of bindings/README.md, against the names of the tests."""
    table = re.findall(r"^\| ([\w ]+?) \| .* \|$", (ROOT / "bindings" / "README.md").read_text().split("## The same")[1], re.MULTILINE)
    elsewhere = {"scenario", "killed at random", "sigterm"}
    here = {name.removeprefix("Test").lower() for name in written()}
    assert {name for name in table if name not in elsewhere and re.sub("[ _]", "", name).lower() not in here} == set()


def test_vet_and_format():
    assert go("vet", "./...").returncode == 0
    done = go("fmt", "-n", "./...")
    assert done.returncode == 0
    unformatted = [str(file) for file in PACKAGE.rglob("*.go") if _gofmt(file)]
    assert unformatted == []


def _gofmt(file):
    return subprocess.run([os.path.join(os.path.dirname(os.path.realpath(GO)), "gofmt"), "-l", str(file)], capture_output=True, text=True).stdout


def test_killed_at_random(tmp_path):
    import wfext

    app = wfext.App(tmp_path / "chaos.db", synchronous="normal")
    jobs, kills = (500, 50) if os.environ.get("WFEXT_DEEP") else (60, 8)
    killed_at_random(app, tmp_path, [go_worker(tmp_path)] * 3, jobs, kills, (0.05, 0.6))
    app.close()


def test_sigterm(tmp_path):
    """Exit code 0, nothing keeps its lease, and another goes on."""
    import wfext

    app = wfext.App(tmp_path / "chaos.db", synchronous="normal")
    app.client.call("wf_init")
    app.database.submit_alone(lambda connection: connection.execute("CREATE TABLE result(n)")).result()
    command = [*go_worker(tmp_path), str(tmp_path / "chaos.db"), str(tmp_path)]
    worker = subprocess.Popen(command)
    handles = [app.client.start("job", {"n": n}) for n in range(20)]
    handles[0].result(timeout=120)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(120) == 0
    assert app.client.rows("SELECT id FROM wf_workflows WHERE status = 'running'") == []
    worker = subprocess.Popen(command)
    try:
        for n, handle in enumerate(handles):
            assert handle.result(timeout=120) == 3 * n
    finally:
        worker.kill()
        worker.wait()
        app.close()


BLOCK = re.search(r"```go\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL).group(1)


@pytest.mark.skipif(os.environ.get("WFEXT_SANITIZE"), reason="programs would have to be linked with the sanitizers")
def test_readme_with_the_engine_linked_in(tmp_path):
    """The page's program, word for word and twice, in a module of its own that vendors the package; no library has to be found. Without cgo the compiler says what is missing."""
    archive = Path(os.environ["WFEXT_LIBRARY"]).parent / "libwfext.a"
    assert archive.exists(), "the static library is built with the tests"
    package = tmp_path / "package"
    shutil.copytree(PACKAGE, package)
    environment = {**os.environ, "GO": GO, "CGO_ENABLED": "1"}
    made = subprocess.run(["bash", ROOT / "scripts" / "go-engine.sh", archive, package / "engine"], env=environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    consumer = tmp_path / "consumer"
    consumer.mkdir()
    name = "github.com/wfext/wfext/bindings/go"
    (consumer / "go.mod").write_text(f"module example.com/consumer\n\ngo 1.24\n\nrequire {name} v0.1.0\n\nreplace {name} => ../package\n")
    (consumer / "main.go").write_text(BLOCK)
    del environment["WFEXT_LIBRARY"]

    def run(*arguments, **variables):
        return subprocess.run([GO, *arguments], cwd=consumer, env={**environment, **variables}, capture_output=True, text=True, timeout=1200)

    for arguments in (["mod", "tidy"], ["mod", "vendor"], ["build", "-trimpath", "-o", "hello", "."]):
        done = run(*arguments)
        assert done.returncode == 0, done.stderr
    expected = re.search(r"// => (.*)", BLOCK).group(1)
    for _ in range(2):
        assert subprocess.run(["./hello"], cwd=consumer, env=environment, capture_output=True, text=True, timeout=120).stdout == expected + "\n"
    done = run("build", "-o", "without", ".", CGO_ENABLED="0")
    assert done.returncode != 0 and ("cgo" in done.stderr.lower() or "constraints" in done.stderr)
