"""examples/leaving: what was begun here goes on in Absurd, in PostgreSQL, with Absurd's own schema and library."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support import extension_path, open_database

ROOT = Path(__file__).resolve().parents[2]
ABSURD = ROOT / "build" / "absurd"
INITDB = shutil.which("initdb") or next(map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)

pytestmark = pytest.mark.skipif(INITDB is None or not ABSURD.exists(), reason="PostgreSQL and Absurd are not set up (scripts/setup.sh leaving)")


def bare():
    """A user for the server, which does not run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return pwd.getpwnam("nobody").pw_uid


@pytest.fixture(scope="module")
def postgres():
    """The URL of a server of this module's own, on a socket in its folder, with Absurd's schema."""
    user, folder = bare(), tempfile.mkdtemp(prefix="wfp")
    if user is not None:
        os.chown(folder, user, -1)
    environment = {**os.environ, "LC_ALL": "C", "HOME": folder}
    data, log = Path(folder) / "data", Path(folder) / "log"
    done = subprocess.run([INITDB, "-D", data, "-U", "wfext", "-A", "trust", "-E", "UTF8", "--no-sync"], env=environment, cwd=folder, user=user, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with open(log, "w") as out:
        server = subprocess.Popen([Path(INITDB).resolve().parent / "postgres" if (Path(INITDB).resolve().parent / "postgres").exists() else "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-F"],
                                  env=environment, cwd=folder, user=user, stdout=out, stderr=out)
    url = f"postgresql://wfext@/postgres?host={folder}"
    try:
        wait_for_server(server, Path(folder) / ".s.PGSQL.5432", log)
        run_python(url, "import absurdctl, psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(absurdctl.BUNDLED_SCHEMA_SQL)")
        yield url
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_server(server, path, log):
    import time

    until = time.monotonic() + 120
    while True:
        assert server.poll() is None and time.monotonic() < until, log.read_text()
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(path))
            if "ready to accept connections" in log.read_text():
                return
        except OSError:
            pass
        time.sleep(0.05)


def run_python(url, program, *arguments):
    """In a process of its own: the libraries of Absurd are nobody else's."""
    done = subprocess.run([sys.executable, "-c", program, url, *arguments], env={**os.environ, "PYTHONPATH": str(ABSURD)}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


RUN_SQL = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(open(sys.argv[2]).read())"
GO_ON = """
import json, sys
from absurd_sdk import Absurd
done = []
app = Absurd(sys.argv[1], queue_name="shop")
@app.register_task("order")
def order(params, ctx):
    def step(name, value):
        return ctx.step(name, lambda: (done.append(name), value)[1])
    paid = step("charge", "again")
    packed = [step("pack", "again"), step("pack", "second")]
    ctx.sleep_for("cool", 3600 * 24 * 365)
    ok = ctx.await_event(f"approval:{params['id']}", step_name="approval")
    step("ship", ok)
    return {"paid": paid, "packed": packed, "ok": ok, "rate": ctx.await_event("rate", step_name="rate")}
for event, payload in json.loads(sys.argv[2]):
    app.emit_event(event, payload)
for _ in range(10):
    app.work_batch()
import psycopg
rows = psycopg.connect(sys.argv[1]).execute('SELECT idempotency_key, state, completed_payload FROM absurd.t_shop ORDER BY 1').fetchall()
print(json.dumps({"done": done, "tasks": {key: [state, payload] for key, state, payload in rows}}))
"""


@pytest.fixture
def app(tmp_path):
    """What is under way when its owner leaves."""
    db = open_database(tmp_path / "app.db")
    db.wf_emit("rate", 1.5)
    db.wf_rate("model", limit=1, per=1)

    def claim(id):
        return db.claim("shop", id=id)["token"]

    for id in ("o-new", "o-asleep", "o-waits", "o-asked", "o-done", "o-failed", "o-gone", "01890000-0000-7000-8000-000000000001"):
        db.wf_start("order", {"id": id}, id=id, queue="shop", max_attempts=3, headers={"from": "web"})
    for id in ("o-asleep", "o-waits", "o-asked"):
        token = claim(id)
        db.wf_step(token, "charge", {"ref": "it's r9 \u00fc"})
        db.wf_step(token, "pack", "[1, 2]")
        if id == "o-asleep":
            db.wf_sleep(token, "cool", 3600)
            continue
        db.wf_step(token, "pack#2", 7)
        db.wf_sleep(token, "cool", 0)
        db.wf_await(token, "approval", "approval")
    db.wf_signal("o-asked", "approval", {"by": "ann"})
    db.wf_signal("o-asked", "approval", {"by": "bob"})
    db.wf_append("o-new", "log", "x")
    db.wf_complete(claim("o-done"), {"paid": 1})
    db.wf_fail(claim("o-failed"), '"declined"', retry=False)
    db.wf_cancel("o-gone")
    db.close()
    return tmp_path / "app.db"


def left(app, out):
    done = subprocess.run([sys.executable, ROOT / "examples" / "leaving" / "to_absurd.py", extension_path(), app], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    out.write_text(done.stdout)
    return set(done.stderr.splitlines())


def test_it_goes_on_in_absurd(app, postgres, tmp_path):
    said = left(app, tmp_path / "app.sql")
    assert said == {"left behind: 1 rates", "left behind: 1 streams", "left behind: 1 signals in line behind another of their name", "left behind: 1 failures"}
    run_python(postgres, RUN_SQL, str(tmp_path / "app.sql"))
    first = json.loads(run_python(postgres, GO_ON, "[]"))
    states = {id: state for id, (state, _) in first["tasks"].items()}
    new = "01890000-0000-7000-8000-000000000001"
    assert states == {"o-new": "sleeping", new: "sleeping", "o-asleep": "sleeping", "o-waits": "sleeping", "o-asked": "completed", "o-done": "completed", "o-failed": "failed", "o-gone": "cancelled"}
    # What was done here is not done again, and what had come was taken: the two that were new did all, the other only what came behind.
    assert sorted(first["done"]) == ["charge", "charge", "pack", "pack", "pack", "pack", "ship"]
    assert first["tasks"]["o-asked"][1] == {"paid": {"ref": "it's r9 \u00fc"}, "packed": [[1, 2], 7], "ok": {"by": "ann"}, "rate": 1.5}
    assert first["tasks"]["o-done"][1] == {"paid": 1}
    second = json.loads(run_python(postgres, GO_ON, json.dumps([["approval:o-waits", True]])))
    assert second["tasks"]["o-waits"] == ["completed", {"paid": {"ref": "it's r9 \u00fc"}, "packed": [[1, 2], 7], "ok": True, "rate": 1.5}]
    assert second["done"] == ["ship"]


def test_what_postgres_cannot_hold_is_said(app, tmp_path):
    db = open_database(app)
    db.wf_start("order", '{"text": "a\\u0000b"}', id="nul")
    db.close()
    done = subprocess.run([sys.executable, ROOT / "examples" / "leaving" / "to_absurd.py", extension_path(), app], capture_output=True, text=True)
    assert done.returncode == 1 and "NUL" in done.stderr
