"""wf_sync and examples/litestream with the real Litestream: what its page says of it."""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from support import wf_error
from support.litestream import S3, Machine, binary, database, until

SLEEPER = ["sh", "-c", "touch \"$DB.running\"; exec sleep 600"]


class Litestream:
    """`litestream replicate` with a configuration of its own."""

    def __init__(self, folder, dbs):
        self.sockets = tempfile.TemporaryDirectory(prefix="wfs")
        self.socket = str(Path(self.sockets.name) / "s")
        self.config, self.log = folder / "litestream.json", folder / "litestream.log"
        self.config.write_text(json.dumps({"socket": {"enabled": True, "path": self.socket}, "dbs": dbs}))  # JSON is YAML
        self.process = None
        self.start()

    def start(self):
        Path(self.socket).unlink(missing_ok=True)  # of one that was killed
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([binary(), "replicate", "-config", self.config], stdout=log, stderr=log, env=self.environment())
        until(lambda: self.listens() or self.process.poll() is not None, "the socket")
        assert self.process.poll() is None, self.log.read_text()

    def listens(self):
        with socket.socket(socket.AF_UNIX) as one:
            return one.connect_ex(self.socket) == 0

    @staticmethod
    def environment():
        return {**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, "AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER"}

    def restore(self, db, to):
        subprocess.run([binary(), "restore", "-config", self.config, "-integrity-check", "full", "-o", to, db], check=True, capture_output=True, env=self.environment())
        return database(to)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.sockets.cleanup()


@pytest.fixture
def litestream(tmp_path):
    made = []

    def start(*dbs):
        made.append(Litestream(tmp_path, list(dbs)))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def replicated(db, litestream, tmp_path):
    """The file of `db`, replicated to a folder only when it is asked for."""
    return litestream({"path": str(tmp_path / "test.db"), "replica": {"type": "file", "path": str(tmp_path / "replica"), "sync-interval": "1h"}})


def sync(db, server, timeout=60, **options):
    return json.loads(db.wf_sync(timeout, socket=server.socket, **options))


def test_what_was_committed_is_on_the_replica(db, replicated, tmp_path):
    for n in range(3):
        db.wf_start("job", n, id=f"w{n}")
        done = sync(db, replicated)
        assert done["replicated_txid"] >= done["txid"] > n
        restored = replicated.restore(tmp_path / "test.db", tmp_path / f"restored{n}.db")
        assert restored.wf_status(f"w{n}") == "pending"
        assert restored.wf_check() is None
        restored.close()


def test_without_a_barrier_it_is_not(db, replicated, tmp_path):
    """What makes the test above one."""
    sync(db, replicated)
    db.wf_start("job", id="w")
    restored = replicated.restore(tmp_path / "test.db", tmp_path / "restored.db")
    assert restored.wf_status("w") is None
    restored.close()


def test_nothing_new_is_a_success_too(db, replicated):
    first = sync(db, replicated)
    again = sync(db, replicated)
    assert again["txid"] >= first["txid"]
    assert again["replicated_txid"] >= again["txid"]


def test_one_barrier_is_for_all_connections_and_processes(db, connect, replicated, tmp_path):
    other = connect()
    other.execute("PRAGMA synchronous = full")
    other.wf_start("job", id="of another")
    sync(db, replicated)
    restored = replicated.restore(tmp_path / "test.db", tmp_path / "restored.db")
    assert restored.wf_status("of another") == "pending"
    restored.close()


def test_an_open_write_of_another_does_not_hold_it_up_and_is_not_in_it(db, connect, replicated, tmp_path):
    sync(db, replicated)  # the first time Litestream makes tables of its own in the file
    other = connect()
    other.execute("BEGIN IMMEDIATE")
    other.wf_start("job", id="open")
    sync(db, replicated)
    restored = replicated.restore(tmp_path / "test.db", tmp_path / "restored.db")
    assert restored.wf_status("open") is None
    restored.close()
    other.execute("ROLLBACK")


def test_many_callers_at_once_get_what_they_asked_for(db, replicated, tmp_path):
    """Of several callers at once many get a txid that covers what others have committed since, and that the replica has not."""
    failed, done = [], []

    def one(name):
        own = database(tmp_path / "test.db")
        try:
            for n in range(10):
                own.wf_start("job", id=f"{name}-{n}")
                answer = sync(own, replicated)
                assert answer["replicated_txid"] >= answer["txid"]
                done.append(answer)
        except BaseException as error:
            failed.append(error)
        own.close()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failed, len(done)) == ([], 40)
    restored = replicated.restore(tmp_path / "test.db", tmp_path / "restored.db")
    assert restored.wf_pending() == 40
    restored.close()


def test_a_file_that_it_does_not_know(connect, replicated, tmp_path):
    other = connect(tmp_path / "other.db")
    other.execute("PRAGMA synchronous = full")
    with wf_error("WF_STATE", "does not replicate", "other.db"):
        sync(other, replicated)


def test_a_file_that_was_just_made_in_a_watched_folder(connect, litestream, tmp_path):
    (tmp_path / "agents").mkdir()
    server = litestream({"dir": str(tmp_path / "agents"), "pattern": "*.db", "watch": True, "replica": {"type": "file", "path": str(tmp_path / "replica")}})
    db = connect(tmp_path / "agents" / "1.db")
    db.execute("PRAGMA journal_mode = wal").fetchall()
    db.execute("PRAGMA synchronous = full")
    db.wf_start("job", id="w")
    assert sync(db, server)["txid"] >= 1


def test_a_symbolic_link_in_its_configuration(db, litestream, tmp_path):
    """To the folder: SQLite knows the file by where it is, and Litestream by the link, which the option names. (A link to the file it cannot replicate.)"""
    (tmp_path / "link").symlink_to(tmp_path)
    server = litestream({"path": str(tmp_path / "link/test.db"), "replica": {"type": "file", "path": str(tmp_path / "replica")}})
    with wf_error("WF_STATE", "not under this name", "test.db"):
        sync(db, server)
    assert sync(db, server, path=str(tmp_path / "link/test.db"))["txid"] >= 1
    db.wf_config("sync_path", str(tmp_path / "link/test.db"))
    assert sync(db, server)["txid"] >= 1


def test_a_file_that_was_stopped(db, replicated, tmp_path):
    sync(db, replicated)
    subprocess.run([binary(), "stop", "-socket", replicated.socket, tmp_path / "test.db"], check=True, capture_output=True)
    with wf_error("WF_STATE", "does not replicate", "not open"):
        sync(db, replicated)
    subprocess.run([binary(), "start", "-socket", replicated.socket, tmp_path / "test.db"], check=True, capture_output=True)
    assert sync(db, replicated)["txid"] >= 1


def test_litestream_ends_and_comes_back(db, replicated):
    sync(db, replicated)
    replicated.process.kill()
    replicated.process.wait()
    with wf_error("WF_STATE", "Connection refused", replicated.socket):
        sync(db, replicated)
    db.wf_start("job", id="w")
    replicated.start()
    assert sync(db, replicated)["txid"] >= 1


def test_a_replica_that_cannot_be_reached(db, litestream, tmp_path):
    s3 = S3(tmp_path / "s3")
    try:
        server = litestream({"path": str(tmp_path / "test.db"), "replica": {"type": "s3", "bucket": "bucket", "path": "app", "endpoint": s3.endpoint, "region": "us-east-1",
                                                                            "force-path-style": True, "sync-interval": "1h"}})
        sync(db, server)
        s3.stop()
        db.wf_start("job", id="w")
        before = time.monotonic()
        with wf_error("WF_STATE", "cannot bring to the replica"):
            sync(db, server, 2.5)
        assert time.monotonic() - before < 30
        with wf_error("WF_STATE"):
            sync(db, server, 0.3)
        s3.start()
        assert sync(db, server)["txid"] > 1
        restored = server.restore(tmp_path / "test.db", tmp_path / "restored.db")
        assert restored.wf_status("w") == "pending"
        restored.close()
    finally:
        s3.close()


def test_a_replica_that_cannot_be_written_says_so_at_once(db, replicated, tmp_path):
    if os.geteuid() == 0:
        shutil.rmtree(tmp_path / "replica", ignore_errors=True)
        (tmp_path / "replica").write_text("a file in the place of the folder")
    else:
        (tmp_path / "replica").mkdir(exist_ok=True)
        (tmp_path / "replica").chmod(0o500)
    with wf_error("WF_STATE", "cannot bring to the replica"):
        sync(db, replicated)


# examples/litestream ------------------------------------------------------------------------------------------------------


@pytest.fixture
def machines(tmp_path):
    """Makes machines; the first one of a replica begins it."""
    binary()
    made = []

    def machine(name, where="replicas", begin=True, **environment):
        made.append(Machine(tmp_path, f"file://{tmp_path / where}", environment, name))
        if begin and not (tmp_path / where).exists():
            assert made[-1].entrypoint("begin").returncode == 0
        return made[-1]

    yield machine
    for one in made:
        one.close()


def running(machine):
    machine.start(*SLEEPER)
    machine.until(Path(f"{machine.db}.running").exists, "the application")


def running_with_a_job(machine):
    """The application runs, and the workflow `w` is behind a barrier."""
    running(machine)
    db = database(machine.db)
    db.wf_start("job", id="w")
    sync(db, machine)
    db.close()


def status_of_the_job(machine):
    """Of `w`, in a file that is whole."""
    db = database(machine.db)
    assert db.wf_check() is None
    found = db.wf_status("w")
    db.close()
    return found


def current(tmp_path):
    return (tmp_path / "replicas/current").read_text().strip()


def test_a_new_machine_begins_where_the_old_one_was_and_under_a_path_of_its_own(machines, tmp_path):
    old = machines("old")
    running_with_a_job(old)
    first = current(tmp_path)
    old.destroy()
    new = machines("new")
    running(new)
    assert current(tmp_path) != first
    assert sorted(p.name for p in (tmp_path / "replicas").iterdir()) == sorted([first, current(tmp_path), "current"])
    db = database(new.db)
    assert db.wf_status("w") == "pending"
    assert new.entrypoint("check").returncode == 0
    db.close()


def test_the_same_machine_goes_on_with_its_file(machines, tmp_path):
    machine = machines("one")
    running(machine)
    first, db = current(tmp_path), database(machine.db)
    db.wf_start("job", id="w")
    db.close()
    machine.cut_off()
    os.unlink(f"{machine.db}.running")
    running(machine)
    assert current(tmp_path) == first
    db = database(machine.db)
    assert db.wf_status("w") == "pending"
    assert sync(db, machine)["txid"] >= 1
    db.close()


def test_when_the_application_ends_all_of_it_is_replicated(machines):
    machine = machines("one", WFEXT_MODULE="x")
    machine.start("sh", "-c", "sqlite3 -cmd \".load '$WFEXT'\" \"$DB\" \"SELECT wf_start('job', NULL, '{\\\"id\\\":\\\"it''s \\$w\\\"}')\"")
    assert machine.process.wait(120) == 0, machine.log.read_text()
    assert "it's $w" in machine.log.read_text()
    machine.destroy()
    assert machine.entrypoint("prepare").returncode == 0
    db = database(machine.db)
    assert db.wf_status("it's $w") == "pending"
    db.close()


def test_an_old_machine_that_lives_writes_to_its_own_path_and_is_told(machines, tmp_path):
    old = machines("old")
    running(old)
    a = database(old.db)
    a.wf_start("job", id="w")
    token = a.claim(lease=3600)["token"]
    sync(a, old)
    new = machines("new")  # the old one was only thought dead
    running(new)
    b = database(new.db)
    for n in range(20):  # both go on, and both have barriers that say success
        a.wf_start("job", id=f"old-{n}")
        b.wf_start("job", id=f"new-{n}")
        assert sync(a, old)["txid"] >= 1
        assert sync(b, new)["txid"] >= 1
    with wf_error("WF_LEASE_LOST"):
        b.wf_step(token, "a", 1)
    assert a.wf_step(token, "a", 1) is not None  # in its own file, where only fencing outside could stop it
    assert new.entrypoint("check").returncode == 0
    told = old.entrypoint("check")
    assert told.returncode == 3 and "another machine has taken over" in told.stderr
    for db in (a, b):
        db.close()
    old.cut_off()
    refused = old.entrypoint("prepare")
    assert refused.returncode == 3 and "another machine has taken over" in refused.stderr
    # What counts is whole, and has nothing of the old one.
    new.destroy()
    assert new.entrypoint("prepare").returncode == 0
    b = database(new.db)
    assert b.wf_check() is None
    assert [b.wf_status(f"new-{n}") for n in range(20)] == ["pending"] * 20
    assert [b.wf_status(f"old-{n}") for n in range(20)] == [None] * 20
    b.close()


def test_a_machine_that_is_lost_before_it_has_published_changes_nothing(machines, tmp_path):
    old = machines("old")
    running_with_a_job(old)
    first = current(tmp_path)
    old.destroy()
    new = machines("new")
    for _ in range(3):
        assert new.entrypoint("prepare").returncode == 0
        assert new.entrypoint("prepare").returncode == 0  # a restart in between restores nothing again
        assert current(tmp_path) == first
        shutil.rmtree(new.volume)
        new.volume.mkdir()
    running(new)
    assert status_of_the_job(new) == "pending"


def test_it_does_not_begin_anew_where_it_cannot_see_what_is_current(machines, tmp_path):
    machine = machines("one", S3_ENDPOINT="http://127.0.0.1:9", AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s")
    machine.environment["REPLICA"] = "s3://bucket/app"
    done = machine.entrypoint("prepare")
    assert done.returncode != 0 and not machine.db.exists()
    assert "entrypoint: new file" not in done.stdout


def test_a_replica_that_is_damaged_is_not_restored(machines, tmp_path):
    machine = machines("one")
    running_with_a_job(machine)
    machine.destroy()
    for file in (tmp_path / "replicas" / current(tmp_path)).rglob("*.ltx"):
        data = bytearray(file.read_bytes())
        data[len(data) // 2:len(data) // 2 + 40] = b"\x55" * 40
        file.write_bytes(data)
    done = machine.entrypoint("prepare")
    assert done.returncode != 0 and not machine.db.exists(), done


class Killed:
    """entrypoint.sh <command>, again and again, each time killed one command later, until it has come to its end."""

    def __init__(self, tmp_path, command, fewest):
        self.command, self.fewest = command, fewest
        self.trap = tmp_path / "trap.sh"
        self.trap.write_text("if [ \"${1-}\" = \"$KILLED\" ]; then set -T; n=0; trap 'n=$((n + 1)); if [ $n = $KILL_AT ] && [ $BASHPID = $$ ]; then kill -9 $$; fi' DEBUG; fi")

    def environment(self, at):
        return {"BASH_ENV": str(self.trap), "KILLED": self.command, "KILL_AT": str(at)}

    def each(self, machine, before=lambda: None):
        """Yields after each kill; `before` each of them."""
        for at in itertools.count(1):
            before()
            done = machine.entrypoint(self.command, **self.environment(at))
            if done.returncode == 0:
                assert at > self.fewest, at
                return
            assert done.returncode == -signal.SIGKILL, (at, done)
            yield at


def test_beginning_may_be_killed_at_each_command(machines, tmp_path):
    machine = machines("one")
    mark = tmp_path / "replicas/current"
    seen = set()

    def nothing():
        shutil.rmtree(tmp_path / "replicas", ignore_errors=True)

    for at in Killed(tmp_path, "begin", 20).each(machine, nothing):
        seen.add(mark.exists())
        if not mark.exists():  # then nothing is begun, for it may be a share that is not there
            assert machine.entrypoint("prepare").returncode == 1 and list(machine.volume.iterdir()) == [], at
        assert machine.entrypoint("begin").returncode == 0
        assert mark.read_text() == "none\n"
    assert seen == {False, True}


def test_preparing_may_be_killed_at_each_command(machines, tmp_path):
    """Where there is nothing yet and where there is a replica to restore: what comes next gets the whole file, and what was published stays so."""
    machine = machines("one")
    killed = Killed(tmp_path, "prepare", 20)

    def empty_volume():
        shutil.rmtree(machine.volume)
        machine.volume.mkdir()

    for _ in killed.each(machine, empty_volume):
        done = machine.entrypoint("prepare")
        assert done.returncode == 0, done
    running_with_a_job(machine)
    first = current(tmp_path)
    machine.cut_off()
    seen = set()
    for at in killed.each(machine, empty_volume):
        done = machine.entrypoint("prepare")
        assert done.returncode == 0, (at, done)
        assert status_of_the_job(machine) == "pending"
        mine, origin = Path(f"{machine.db}.replica").read_text().split()
        assert origin == first == current(tmp_path) and mine not in seen
        seen.add(mine)


def paths(tmp_path):
    return {path.name for path in (tmp_path / "replicas").iterdir() if path.is_dir()}


def restored_by_another(machines, name):
    """What a machine finds that takes over now: the status of `w`."""
    new = machines(name)
    done = new.entrypoint("prepare")
    assert done.returncode == 0, done
    return status_of_the_job(new)


def test_publishing_may_be_killed_at_each_command(machines, tmp_path):
    """The name is of the old path or of the new one, which is whole by then; what comes next ends it."""
    old = machines("old")
    running_with_a_job(old)
    first = current(tmp_path)
    old.destroy()
    new, mark = machines("new"), tmp_path / "replicas/current"
    assert new.entrypoint("prepare").returncode == 0
    mine = Path(f"{new.db}.replica").read_text().split()[0]
    new.become("replicate")
    seen = []
    for _ in Killed(tmp_path, "publish", 30).each(new, lambda: mark.write_text(first + "\n")):
        seen.append(current(tmp_path))
        if seen[-1] == mine != seen[-2]:  # as soon as it is the current one
            assert restored_by_another(machines, "third") == "pending"
        assert new.entrypoint("publish").returncode == 0
        assert current(tmp_path) == mine
    assert set(seen) == {first, mine} and seen == sorted(seen, key=[first, mine].index)
    assert current(tmp_path) == mine


def test_replicating_may_be_killed_at_each_command(machines, tmp_path):
    """Until it has become Litestream, which is killed elsewhere, it has made nothing; what comes next does."""
    machine = machines("one")
    assert machine.entrypoint("prepare").returncode == 0
    mine = Path(f"{machine.db}.replica").read_text().split()[0]
    killed = Killed(tmp_path, "replicate", 10)
    for at in itertools.count(1):
        machine.become("replicate", **killed.environment(at))
        until(lambda: machine.process.poll() is not None or paths(tmp_path), "its end, or Litestream")
        if machine.process.poll() is None:
            break
        assert machine.process.poll() == -signal.SIGKILL and paths(tmp_path) == set() and current(tmp_path) == "none"
    assert at > killed.fewest and paths(tmp_path) == {mine}
    assert machine.entrypoint("publish").returncode == 0
    assert current(tmp_path) == mine


@pytest.mark.parametrize("command, fewest", [("run", 30), ("as-child", 15)])
def test_running_may_be_killed_at_each_command(machines, tmp_path, command, fewest):
    """Before it is Litestream, and before it is the application: the next start has both, and all that was there."""
    machine = machines("one")
    running(machine)
    first, db = current(tmp_path), database(machine.db)
    db.wf_start("job", id="w")
    db.close()
    killed, begun = Killed(tmp_path, command, fewest), Path(f"{machine.db}.running")
    for at in itertools.count(1):
        machine.cut_off()
        begun.unlink(missing_ok=True)
        machine.start(*SLEEPER, **killed.environment(at))
        until(lambda: machine.process.poll() is not None or begun.exists(), "its end, or the application")
        if begun.exists():
            break
        assert machine.process.poll() != 0 and current(tmp_path) == first
    assert at > fewest
    db = database(machine.db)
    assert (db.wf_status("w"), db.wf_check(), sync(db, machine)["txid"] >= 1) == ("pending", None, True)
    db.close()
    assert paths(tmp_path) == {first}


@pytest.mark.parametrize("command", ["prepare", "publish", "check", "run"])
def test_a_share_that_is_not_mounted_is_no_first_start(machines, tmp_path, command):
    """On a fresh machine an empty file would be begun beside the replica that is there; on one that has its file nothing says any more whether it is the current one."""
    old = machines("old")
    running_with_a_job(old)
    old.cut_off()
    begun = Path(f"{old.db}.running")
    begun.unlink()
    (tmp_path / "replicas").rename(tmp_path / "share")
    for mount_point in (False, True):
        if mount_point:
            (tmp_path / "replicas").mkdir()
        new = machines("new mounted" if mount_point else "new", begin=False)
        for machine in (old, new) if command in ("prepare", "run") else (old,):
            done = machine.entrypoint(command, *(SLEEPER if command == "run" else ()))
            assert done.returncode == 1 and "is it mounted" in done.stderr and "entrypoint.sh begin" in done.stderr, done
        assert list(new.volume.iterdir()) == [] and not begun.exists()
        assert not mount_point or list((tmp_path / "replicas").iterdir()) == []
    (tmp_path / "replicas").rmdir()
    (tmp_path / "share").rename(tmp_path / "replicas")
    assert restored_by_another(machines, "third") == "pending"


def test_what_was_begun_is_not_begun_anew(machines, tmp_path):
    machine = machines("one")
    running(machine)
    first = current(tmp_path)
    done = machine.entrypoint("begin")
    assert done.returncode == 0 and first in done.stdout and current(tmp_path) == first


def test_a_name_is_on_the_disk_before_anybody_goes_by_it(machines, tmp_path):
    """What is written, is written out before it gets its name; and the name, before what goes by it."""
    machine = machines("one")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sync", "mv"):
        (tools / tool).write_text(f"#!/bin/sh\necho {tool} \"$@\" >> '{tmp_path}/calls'\nexec {shutil.which(tool)} \"$@\"\n")
        (tools / tool).chmod(0o755)
    machine.environment["PATH"] = f"{tools}:{machine.environment['PATH']}"
    running(machine)
    root, mine = tmp_path / "replicas", current(tmp_path)
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"sync {machine.db}.new {machine.db}.replica {machine.volume}", f"mv {machine.db}.new {machine.db}", f"sync {machine.volume}",
        f"sync {root}/.current.{mine}", f"mv {root}/.current.{mine} {root}/current", f"sync {root}"]


@pytest.mark.parametrize("name", ["it's my app.db", "a: b.db", "[a]*.db", "-x.db", "$HOME.db", 'q".db'])
def test_names_with_blanks_and_signs(machines, tmp_path, name):
    machine = machines("one", where="it's: my replicas")
    machine.db = machine.volume / name
    machine.environment["DB"] = str(machine.db)
    running_with_a_job(machine)
    machine.destroy()
    assert machine.entrypoint("prepare").returncode == 0
    assert status_of_the_job(machine) == "pending"


@pytest.mark.parametrize("name", ["a#b.db", "a?b.db", "a%41.db"])
def test_names_that_litestream_cannot_open_are_refused(machines, name):
    """It would wait for them for ever, and the application with it."""
    machine = machines("one")
    machine.environment["DB"] = str(machine.volume / name)
    done = machine.entrypoint("prepare")
    assert done.returncode == 1 and "in its name" in done.stderr and list(machine.volume.iterdir()) == []


def test_a_volume_that_is_not_there_is_not_replaced_by_another_folder(machines):
    machine = machines("one")
    machine.environment["DB"] = str(machine.volume / "none" / "wfext-test-app.db")
    done = machine.entrypoint("prepare")
    assert done.returncode == 1 and "is the volume there?" in done.stderr
    assert not Path("/wfext-test-app.db").exists()


@pytest.mark.parametrize("missing, words", [("NoSuchBucket", "no bucket bucket"), ("NoSuchKey", "nothing was ever published at s3://bucket/app")])
def test_a_bucket_that_is_not_there_is_no_empty_one_and_an_empty_one_no_first_start(machines, tmp_path, missing, words):
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Store(BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"<Error><Code>%s</Code></Error>" % missing.encode()
            self.send_response(404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Store) as store:
        threading.Thread(target=store.serve_forever, daemon=True).start()
        machine = machines("one", S3_ENDPOINT=f"http://127.0.0.1:{store.server_port}", AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s")
        machine.environment["REPLICA"] = "s3://bucket/app"
        done = machine.entrypoint("prepare")
        store.shutdown()
    assert done.returncode == 1 and words in done.stderr and not machine.db.exists()


def test_run_without_an_application_makes_nothing(machines):
    machine = machines("one")
    done = machine.entrypoint("run")
    assert done.returncode == 1 and "run what?" in done.stderr and list(machine.volume.iterdir()) == []


@pytest.mark.parametrize("missing", ["DB", "REPLICA"])
def test_it_says_which_setting_is_missing(machines, missing):
    machine = machines("one")
    del machine.environment[missing]
    done = machine.entrypoint("prepare")
    assert done.returncode != 0 and missing in done.stderr


def test_another_kind_of_replica_is_refused(machines):
    machine = machines("one")
    machine.environment["REPLICA"] = "ftp://x"
    done = machine.entrypoint("prepare")
    assert done.returncode == 1 and "ftp://x" in done.stderr
