"""The Go package: its own tests, vet and formatting, what happens without cgo, and kills."""

import os
import platform
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time
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
    done = go("test", "-count=1", "-race", ".", "./internal/goid")
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


@pytest.mark.parametrize("cpu", ["", "arm64", "386"])
def test_goroutines_are_told_apart(cpu):
    """By the runtime's own record where it is known how to come to it, and by stack traces elsewhere. For other processors in the deep run, where their programs can be run here."""
    if cpu != "" and not os.environ.get("WFEXT_DEEP"):
        pytest.skip("only in the deep run: compiles the library of Go once more")
    runner = {"": [], "386": [], "arm64": ["-exec", "qemu-aarch64"]}[cpu]
    if cpu == "":
        done = go("test", "-count=1", "./internal/goid")
    elif platform.machine() == "x86_64" and (not runner or shutil.which(runner[1])):
        done = go("test", "-count=1", *runner, "./internal/goid", GOARCH=cpu, CGO_ENABLED="0")
    else:
        done = go("vet", "./internal/goid", GOARCH=cpu, CGO_ENABLED="0")
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


def test_spans():
    """Of OpenTelemetry, in a module of its own."""
    done = subprocess.run([GO, "test", "-count=1", "."], cwd=PACKAGE / "otel", env={**os.environ, "CGO_ENABLED": "1"}, capture_output=True, text=True, timeout=1200)
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


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Programs of the pages and the examples, each word for word, in a module of its own that vendors the package with the engine linked in; and how to run Go there."""
    if os.environ.get("WFEXT_SANITIZE"):
        pytest.skip("programs would have to be linked with the sanitizers")
    archive = Path(os.environ["WFEXT_LIBRARY"]).parent / "libwfext.a"
    assert archive.exists(), "the static library is built with the tests"
    root = tmp_path_factory.mktemp("programs")
    shutil.copytree(PACKAGE, root / "package")
    environment = {**os.environ, "GO": GO, "CGO_ENABLED": "1"}
    made = subprocess.run(["bash", ROOT / "scripts" / "go-engine.sh", archive, root / "package" / "engine"], env=environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    consumer = root / "consumer"
    shutil.copytree(ROOT / "examples" / "go", consumer)
    shutil.copy(PACKAGE / "go.sum", consumer)
    name = "github.com/wfext/wfext/bindings/go"
    (consumer / "go.mod").write_text(f"module example.com/consumer\n\ngo 1.24\n\nrequire {name} v0.1.0\n\nreplace {name} => ../package\n")
    hello = re.search(r"```go\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL).group(1)
    for file, text in [("hello/main.go", hello), *re.findall(r"```go (\S+)\n(.*?)```", START, re.DOTALL)]:
        (consumer / file).parent.mkdir()
        (consumer / file).write_text(text)
    del environment["WFEXT_LIBRARY"]

    def run(*arguments, **variables):
        return subprocess.run([GO, *arguments], cwd=consumer, env={**environment, **variables}, capture_output=True, text=True, timeout=1200)

    for arguments in (["mod", "tidy"], ["mod", "vendor"], ["build", "-trimpath", "-o", f"{root}/bin/", "./..."]):
        done = run(*arguments)
        assert done.returncode == 0, done.stderr
    return root / "bin", run, environment


START = (ROOT / "docs" / "start-go.md").read_text()


def printed(text):
    return re.search(r"// => (.*)", text).group(1) + "\n"


@pytest.fixture
def start(programs, tmp_path):
    """Starts a program in the test's folder."""
    folder, _, environment = programs
    return lambda name, *arguments: subprocess.Popen([folder / name, *arguments], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process, code=0):
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return out


@pytest.fixture
def looks(tmp_path):
    """What a query of a file in the test's folder gives; nothing before there is one."""
    import wfext

    def looks(file, sql):
        if not (tmp_path / file).exists():
            return []
        db = sqlite3.connect(tmp_path / file, timeout=30)
        try:
            wfext.load(db)
            return db.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            db.close()

    return looks


def wait_until(condition):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it has not come"
        time.sleep(0.02)


def test_readme_with_the_engine_linked_in(programs, start):
    """The page's program, twice; no library has to be found. Without cgo the compiler says what is missing."""
    for _ in range(2):
        assert end(start("hello")) == printed((PACKAGE / "README.md").read_text())
    done = programs[1]("build", "-o", "without", "./hello", CGO_ENABLED="0")
    assert done.returncode != 0 and ("cgo" in done.stderr.lower() or "constraints" in done.stderr)


def test_start_page(start, looks):
    """The shop is killed while it waits, and goes on."""
    shop, approve = (dict(re.findall(r"```go (\S+)\n(.*?)```", START, re.DOTALL))[f"{name}/main.go"] for name in ("shop", "approve"))
    first = start("shop")
    wait_until(lambda: looks("shop.db", "SELECT 1 FROM wf_steps WHERE name = 'approval' AND status = 'waiting'"))
    first.kill()
    first.communicate()
    second = start("shop")
    assert end(start("approve")) == printed(approve)
    second.send_signal(signal.SIGTERM)
    assert end(second) == printed(shop)
    assert looks("shop.db", "SELECT count(*) FROM wf_workflows") == [(1,)]


@pytest.mark.parametrize("name", ["worker_pool", "agent_loop"])
def test_it_is_shorter_than_without_the_package(name):
    """Of Go's lines those that say something of the workflow: not the imports and the braces, of which Python has none."""
    text = (ROOT / "examples" / "go" / name / "main.go").read_text()
    said = [line for line in re.sub(r"import \(.*?\n\)\n", "", text, flags=re.DOTALL).splitlines() if re.sub(r"[\s{}()]", "", line)]
    assert len(said) < len((ROOT / "examples" / f"{name}.py").read_text().splitlines())


def test_example_worker_pool(start, looks):
    """Workers are killed meanwhile."""
    orders = [f"order-{n}" for n in range(40)]
    starting = start("worker_pool", *orders)
    workers = [start("worker_pool", "work") for _ in range(3)]
    for n in range(3):
        time.sleep(random.uniform(0.05, 0.2))
        workers[n].kill()
        workers[n].communicate()
        workers[n] = start("worker_pool", "work")
    assert end(starting) == "".join(f"{id} {100 + n}\n" for n, id in enumerate(orders))
    for worker in workers:
        worker.terminate()
        end(worker)
    assert looks("pool.db", "SELECT name, status, count(*) FROM wf_steps GROUP BY 1, 2 ORDER BY 1") == [("charge", "done", 40), ("ship", "done", 40)]


def test_example_approval(start, looks):
    end(start("approval", "start", "expense-7", "4200"))
    worker = start("approval", "work")
    wait_until(lambda: looks("expenses.db", "SELECT 1 FROM wf_workflows WHERE status = 'waiting'"))
    for _ in range(2):
        end(start("approval", "answer", "expense-7", "yes", "bob"))
    wait_until(lambda: looks("expenses.db", "SELECT wf_result('expense-7')") == [("true",)])
    worker.terminate()
    end(worker)
    assert looks("expenses.db", "SELECT * FROM paid") == [("expense-7", 4200, "bob")]


def test_example_agent_loop(start, tmp_path):
    """Killed at random and run again: nothing is done twice, and nothing left out."""
    for _ in range(3):
        agent = start("agent_loop")
        time.sleep(random.uniform(0.1, 0.3))
        agent.kill()
        agent.communicate()
    first = end(start("agent_loop"))
    assert first.endswith("order-17 is refunded.\n") and end(start("agent_loop")) == first
    assert {what: len(list(tmp_path.glob(f"{what}-*"))) for what in ("refund", "mail")} == {"refund": 1, "mail": 1}
