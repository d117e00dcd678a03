"""examples/fleet/restore.py: a fleet comes back from its replica, whole or not at all, however often the restore is killed."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import extension_path, open_database
from support.litestream import S3, binary

RESTORE = Path(__file__).resolve().parents[2] / "examples" / "fleet" / "restore.py"

# Stands for Litestream: a replica is a copy of the file, "file" in the folder of its name; "broken" beside it: it cannot be restored.
FAKE = '''#!%s
import os, shutil, sys, time, urllib.parse
if sys.argv[1:] == ["version"]:
    print(os.environ.get("FAKE_VERSION", "v0.5.18"))
    sys.exit()
command, check, how, o, to, url = sys.argv[1:]
assert (command, check, how, o) == ("restore", "-integrity-check", "full", "-o")
source = urllib.parse.unquote(url.removeprefix("file://"))
with open(os.environ["FAKE_TRACE"], "a") as trace:
    trace.write(os.path.basename(source) + "\\n")
if os.path.exists(source + "/broken"):
    open(to, "w").write("half of it")
    print("error: integrity check failed", file=sys.stderr)
    sys.exit(1)
data = open(source + "/file", "rb").read()
with open(to, "wb") as out:
    for at in range(0, len(data), 65536):
        out.write(data[at:at + 65536])
        out.flush()
        time.sleep(float(os.environ.get("FAKE_SLOW", "0")))
'''


@pytest.fixture
def world(tmp_path):
    """A replica of twelve files, in which claims were live, and a fake Litestream."""
    fake = tmp_path / "litestream"
    fake.write_text(FAKE % sys.executable)
    fake.chmod(0o755)
    for i in range(12):
        place = tmp_path / "replica" / ("a%d.db" % i)
        (place / "ltx").mkdir(parents=True)
        db = open_database(place / "file")
        db.execute("PRAGMA journal_mode = wal")
        db.wf_start("job", id="w", max_attempts=3)
        db.wf_begin(db.claim()["token"], "pay")
        db.close()
    (tmp_path / "replica" / "not-a-database").mkdir()
    return tmp_path


def restore(world, *arguments, start=False, **environment):
    command = [sys.executable, str(RESTORE), f"file://{world / 'replica'}", str(world / "agents"), "--library", extension_path(), "--litestream", str(world / "litestream"), *arguments]
    settings = dict(env={**os.environ, "FAKE_TRACE": str(world / "trace"), **environment}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return subprocess.Popen(command, start_new_session=True, **settings) if start else subprocess.run(command, **settings)


def check_file(path):
    assert not [name for name in os.listdir(path.parent) if name.startswith(path.name + "-")]
    db = open_database(path)
    assert db.value("PRAGMA integrity_check") == "ok" and db.wf_check() is None
    assert db.wf_config("epoch") > 1 and db.wf_status("w") == "pending"
    assert db.value("SELECT count(*) FROM wf_in_doubt") == 1
    db.close()


def test_all_come_back_recovered(world):
    done = restore(world)
    assert done.returncode == 0 and done.stdout.endswith("12 of 12 are there\n"), done
    assert sorted(os.listdir(world / "agents")) == sorted([".restoring"] + ["a%d.db" % i for i in range(12)])
    assert os.listdir(world / "agents" / ".restoring") == ["lock"]
    for i in range(12):
        check_file(world / "agents" / ("a%d.db" % i))
    assert '"leases_voided":1' in done.stdout
    again = restore(world)
    assert again.returncode == 0 and again.stdout.count(": there") == 12
    assert len((world / "trace").read_text().split()) == 12


def test_one_that_is_broken_holds_up_no_other(world):
    (world / "replica" / "a3.db" / "broken").touch()
    done = restore(world)
    assert done.returncode == 1 and "a3.db: FAILED error: integrity check failed" in done.stdout and "11 of 12" in done.stdout
    assert not (world / "agents" / "a3.db").exists()
    (world / "replica" / "a3.db" / "broken").unlink()
    assert restore(world).returncode == 0
    check_file(world / "agents" / "a3.db")


def test_killed_at_any_moment_and_run_again(world):
    rng = random.Random(11)
    kills = 0

    def begun():
        return len((world / "trace").read_text().split()) if (world / "trace").exists() else 0

    for _ in range(20):
        before, more = begun(), rng.randrange(4, 8)  # three at once: when the fourth begins one is there
        running = restore(world, "--jobs", "3", start=True, FAKE_SLOW="0.1")
        while running.poll() is None and begun() < before + more:
            time.sleep(0.01)
        if running.poll() is None:
            # The script alone, or all that it has started: what goes on writes to nobody.
            os.kill(running.pid, signal.SIGKILL) if rng.random() < 0.5 else os.killpg(running.pid, signal.SIGKILL)
            kills += 1
        running.communicate()
        for name in os.listdir(world / "agents") if (world / "agents").exists() else []:
            if name.endswith(".db"):
                check_file(world / "agents" / name)  # whole as soon as it is there
        if running.returncode == 0:
            break
    assert running.returncode == 0 and kills > 0
    for i in range(12):
        check_file(world / "agents" / ("a%d.db" % i))
    assert restore(world).stdout.endswith("12 of 12 are there\n")


def test_two_at_once(world):
    first = restore(world, start=True, FAKE_SLOW="0.2")
    while not (world / "trace").exists():
        time.sleep(0.01)
    second = restore(world)
    assert second.returncode == 1 and "another restore of" in second.stderr
    assert first.wait(60) == 0
    first.communicate()


def test_pause_and_patterns(world):
    done = restore(world, "--pause", "--pattern", "a1*.db")
    assert done.returncode == 0 and sorted(os.listdir(world / "agents")) == [".restoring", "a1.db", "a10.db", "a11.db"]
    db = open_database(world / "agents" / "a1.db")
    assert db.wf_status("w") == "paused"
    db.close()


@pytest.mark.parametrize("change, words", [
    (lambda world: os.environ, "0.5.18 or later, this is 'v0.5.17'"),
    (lambda world: shutil.rmtree(world / "replica"), "is no folder"),
    (lambda world: [shutil.rmtree(place) for place in (world / "replica").glob("a*")], "there is no replica below"),
    (lambda world: (world / "litestream").unlink(), "does not run"),
])
def test_what_is_wrong_is_said(world, change, words):
    change(world)
    done = restore(world, FAKE_VERSION="v0.5.17" if "0.5.17" in words else "v0.5.18")
    assert done.returncode == 1 and words in done.stderr, done
    assert not (world / "agents").exists() or not list((world / "agents").glob("*.db"))


def test_a_wal_that_is_left_of_another_file(world):
    (world / "agents").mkdir()
    (world / "agents" / "a5.db-wal").write_bytes(b"of another file")
    done = restore(world)
    assert done.returncode == 1 and "a5.db: FAILED a5.db-wal is left of another file" in done.stdout and "11 of 12" in done.stdout


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_with_the_real_litestream(tmp_path, kind):
    litestream = str(binary())
    agents = tmp_path / "agents"
    agents.mkdir()
    environment, s3, tokens = {}, None, []
    if kind == "s3":
        s3 = S3(tmp_path / "s3")
        environment = s3.environment()
        replica = f"type: s3\n      bucket: bucket\n      path: some/agents\n      region: us-east-1\n      endpoint: {s3.endpoint}\n      force-path-style: true"
        url = "s3://bucket/some/agents"
    else:
        replica = f"type: file\n      path: {tmp_path / 'replica'}"
        url = f"file://{tmp_path / 'replica'}"
    # (The bundle of certificates that a machine may name is one thing too many for Litestream's client.)
    environment = {**{name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}, **environment}
    for i in range(6):
        db = open_database(agents / ("a%d.db" % i))
        db.execute("PRAGMA journal_mode = wal")
        db.wf_start("job", id="w")
        tokens.append(db.claim()["token"])
        db.wf_begin(tokens[i], "pay")
        db.close()
    control = Path("/tmp") / ("fleet-%d.sock" % os.getpid())
    (tmp_path / "litestream.yml").write_text(
        f'socket:\n  enabled: true\n  path: {control}\ndbs:\n  - dir: {agents}\n    pattern: "*.db"\n    replica:\n      {replica}\n      sync-interval: 100ms\n')
    running = subprocess.Popen([litestream, "replicate", "-config", str(tmp_path / "litestream.yml")], env=environment, stdout=open(tmp_path / "log", "w"), stderr=subprocess.STDOUT)
    try:
        for i in range(6):
            db = open_database(agents / ("a%d.db" % i))
            db.execute("PRAGMA synchronous = full")
            db.wf_set(tokens[i], "seen", i)
            end = time.monotonic() + 120
            while True:
                try:
                    db.execute("SELECT wf_sync(30, ?)", [json.dumps({"socket": str(control), "path": str(agents / ("a%d.db" % i))})])
                    break
                except sqlite3.OperationalError as not_yet:
                    assert time.monotonic() < end, (not_yet, (tmp_path / "log").read_text()[-2000:])
                    time.sleep(0.1)
            db.close()
    finally:
        running.kill()
        running.wait()
    shutil.rmtree(agents)
    done = subprocess.run([sys.executable, str(RESTORE), url, str(agents), "--library", extension_path(), "--litestream", litestream], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("6 of 6 are there\n"), done
    for i in range(6):
        check_file(agents / ("a%d.db" % i))
        db = open_database(agents / ("a%d.db" % i))
        assert db.wf_get("w", "seen") == i
        db.close()
    if s3:
        s3.close()


def test_a_long_list_of_a_bucket_comes_in_pages(monkeypatch):
    sys.path.insert(0, str(RESTORE.parent))
    import xml.etree.ElementTree as xml

    import restore as script

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    bucket = script.Bucket("s3://bucket/some/agents")
    asked = []
    page = '<R xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>%s</IsTruncated><NextContinuationToken>%s</NextContinuationToken>%s</R>'
    entries = "".join("<CommonPrefixes><Prefix>some/agents/%s/</Prefix></CommonPrefixes>" % name for name in ("b.db", "a.db"))

    def get(query):
        asked.append(dict(query))
        return xml.fromstring(page % (("true", "more", entries) if len(asked) == 1 else ("false", "", entries.replace("a.db", "c d.db"))))

    monkeypatch.setattr(bucket, "get", get)
    assert bucket.names() == ["a.db", "b.db", "c d.db"]
    assert [query.get("continuation-token") for query in asked] == [None, "more"] and asked[0]["prefix"] == "some/agents/"
    assert bucket.url_of("c d.db") == "s3://bucket/some/agents/c%20d.db?region=us-east-1"
