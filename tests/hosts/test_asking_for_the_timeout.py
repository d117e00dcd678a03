"""To stand in for SQLite's busy handler its timeout has to be asked for, which costs a tenth of a wf_step. Who sees nobody else asks no more."""

import pytest

import capi
from capi import Db
from hostlib import open_plain

PRAGMA = 19
FEW = 3100  # calls, by which a connection that is alone has stopped


@pytest.fixture
def raw(path):
    c = Db(path)
    c.load()
    c.exec("PRAGMA journal_mode = wal")
    c.exec("PRAGMA synchronous = off")
    c.exec("CREATE TABLE app(v)")
    c.exec("SELECT wf_start('job', NULL, '{\"id\":\"w\"}')")
    capi.lib.sqlite3_busy_timeout(c.db, 60_000)
    yield c
    assert c.close() == capi.OK


class Asked:
    """Counts the questions."""

    def __init__(self, c):
        self.count = 0
        c.authorizer(self)

    def __call__(self, action, name, *_):
        self.count += action == PRAGMA and name == b"busy_timeout"
        return 0

    def during(self, turn, count):
        self.count = 0
        for n in range(count):
            turn(n)
        return self.count


def calls(c):
    n = iter(range(10**6))
    step = lambda: c.exec(f"SELECT wf_step('w', 's{next(n)}', 1)")
    start = lambda: c.exec("SELECT wf_start('job')")
    nothing = lambda: c.exec("SELECT wf_claim('none')")

    def row():
        c.exec("INSERT INTO app VALUES (1)")

    def inside(call, other="INSERT INTO app VALUES (1)"):
        c.exec("BEGIN")
        call()
        c.exec(other)
        c.exec("COMMIT")

    return {
        "steps": lambda _: step(),
        "starts": lambda _: start(),
        "claims of nothing": lambda _: nothing(),
        "all of them": lambda _: (step(), start(), nothing()),
        "rows of the application between steps": lambda _: (row(), step()),
        "many rows of the application between starts": lambda _: ([row() for _ in range(5)], start(), nothing()),
        "transactions of the application": lambda _: (inside(step), row(), inside(start), inside(nothing, "SELECT 1"), nothing()),
    }


KINDS = list(calls(None))


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_alone_asks_in_its_first_calls_alone(raw, kind):
    asked, turn = Asked(raw), calls(raw)[kind]
    assert asked.during(turn, FEW) > 0
    assert asked.during(turn, 100) == 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "rows" not in kind])  # what the application's own statements see first does not count
def test_who_sees_the_commits_of_others_asks_again(raw, path, kind):
    asked, turn = Asked(raw), calls(raw)[kind]
    asked.during(turn, FEW)
    other = open_plain(path, timeout=60)

    def beside(n):
        if n % 5 == 0:
            other.execute("INSERT INTO app VALUES (2)")
            other.commit()
        turn(n)

    assert asked.during(beside, 100) >= 99  # from the first call that sees them on
    asked.during(turn, FEW)
    assert asked.during(turn, 100) == 0
    other.close()


def test_commits_between_the_application_and_the_call_are_seen(raw, path):
    asked = Asked(raw)
    other = open_plain(path, timeout=60)

    def turn(n):
        raw.exec("INSERT INTO app VALUES (1)")
        if n % 5 == 0:
            other.execute("INSERT INTO app VALUES (2)")
            other.commit()
        raw.exec(f"SELECT wf_step('w', 's{n}', 1)")

    asked.during(turn, FEW)
    assert asked.during(lambda n: turn(FEW + n), 100) == 100
    other.close()


def test_with_a_rollback_journal_those_who_read_are_waited_for_too(raw):
    raw.exec("PRAGMA journal_mode = delete")
    asked, turn = Asked(raw), calls(raw)["steps"]
    asked.during(turn, FEW)
    assert asked.during(turn, 50) >= 50


def test_a_file_in_memory_is_nobody_elses():
    c = Db(":memory:")
    c.load()
    c.exec("CREATE TABLE app(v)")
    c.exec("SELECT wf_start('job', NULL, '{\"id\":\"w\"}')")
    asked, turn = Asked(c), calls(c)["all of them"]
    asked.during(turn, FEW)
    assert asked.during(turn, 50) == 0
    assert c.close() == capi.OK
