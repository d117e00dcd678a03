"""wf_wait for other things than work, and for several at once."""

import json
import threading
import time

import pytest

from support import open_database, wf_error


def came(db, *things, timeout=0):
    result = db.wf_wait(timeout, any=list(things))
    return None if result is None else json.loads(result)


@pytest.fixture
def token(db):
    db.wf_start("job", id="w1")
    return db.claim(None, "w", lease=3600)["token"]


# Tokens


def test_a_claim_that_stands_is_waited_for(db, token):
    assert db.wf_wait(0, tokens=token) == 0
    assert db.wf_wait(0.05, tokens=[token]) == 0


@pytest.mark.parametrize("do, code", [
    (lambda db: db.wf_cancel("w1"), "WF_CANCELLED"),
    (lambda db: db.wf_pause("w1"), "WF_PAUSED"),
    (lambda db: db.wf_recover(), "WF_LEASE_LOST"),
    (lambda db: (db.wf_cancel("w1"), db.wf_delete("w1")), "WF_NOT_FOUND"),
])
def test_a_claim_that_is_lost_is_told(db, token, do, code):
    do(db)
    assert db.wf_wait(0, tokens=token) == 1
    assert came(db, {"tokens": [token]}) == [{"index": 0, "token": token, "code": code}]


def test_a_claim_that_ran_out_is_lost_with_the_next(db):
    db.wf_start("job", id="w1")
    token = db.claim(None, "w", lease=0.01)["token"]
    time.sleep(0.05)
    assert db.wf_wait(0, tokens=token) == 0  # until then it may be kept up
    assert db.claim()["id"] == "w1"
    assert came(db, {"tokens": token}) == [{"index": 0, "token": token, "code": "WF_LEASE_LOST"}]


def test_only_those_of_several_tokens_that_are_lost_are_told(db, token):
    db.wf_start("job", id="w2")
    other = db.claim()["token"]
    db.wf_cancel("w2")
    assert came(db, {"tokens": [token, other]}) == [{"index": 0, "token": other, "code": "WF_CANCELLED"}]


def test_tokens_are_tokens(db, token):
    with wf_error("WF_INVALID", "tokens", "w1"):
        db.wf_wait(0, tokens=[token, "w1"])
    with wf_error("WF_INVALID"):
        db.wf_wait(0, tokens="run_!")


def test_a_file_without_the_tables_has_no_claims_and_no_streams(db, token, tmp_path, connect):
    empty = connect(tmp_path / "empty.db")
    assert came(empty, {"tokens": token}) == [{"index": 0, "token": token, "code": "WF_NOT_FOUND"}]
    with wf_error("WF_NOT_FOUND", "w1"):
        empty.wf_wait(0, streams={"id": "w1", "stream": "s"})


@pytest.mark.parametrize(("options", "said"), [
    ({"any": [5]}, 'in the option "any": options must be a JSON object, got \'5\''),
    ({"any": [{"queue": "a"}, {"qeue": "b"}]}, 'in the option "any": there is no option "qeue"; allowed are queue, worker'),
    ({"any": [{"queue": 5}]}, 'in the option "any": the option "queue" must be a name or a JSON array of names, got 5'),
    ({"streams": [5]}, 'in the option "streams": options must be a JSON object, got \'5\''),
    ({"streams": {"id": "w1", "stream": "s", "ofset": 1}}, 'in the option "streams": there is no option "ofset"'),
    ({"any": [{"streams": {"id": "w1", "stream": "s", "offset": -1}}]}, 'in the option "streams": the option "offset" must be an integer'),
])
def test_what_is_wrong_inside_of_an_option_says_inside_of_which(db, options, said):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID", said):
        db.wf_wait(0, **options)


# Any of several


def test_what_came_is_told_by_its_place(db, token):
    db.wf_append(token, "s", 1)
    things = [{"queue": ["mails", "calls"], "worker": "w"}, {"tokens": token}, {"streams": [{"id": "w1", "stream": "t"}, {"id": "w1", "stream": "s"}]}, {"id": "w1"}, {}]
    assert came(db, *things) == [{"index": 2, "id": "w1", "stream": "s"}]
    db.wf_start("job", queue="calls")
    assert came(db, *things) == [{"index": 0}, {"index": 2, "id": "w1", "stream": "s"}]
    db.wf_cancel("w1")
    assert [thing["index"] for thing in came(db, *things)] == [0, 1, 2, 2, 3]
    db.wf_start("job")
    assert came(db, *things)[-1] == {"index": 4}


def test_nothing_came_is_null(db, token):
    assert came(db, {"tokens": token}, {"queue": "none"}, timeout=0.05) is None


def test_several_queues_with_filters_of_their_own(db):
    db.wf_start("mail", queue="a", version="2")
    assert came(db, {"queue": "a", "names": "call"}, {"queue": "a", "versions": "1"}) is None
    assert came(db, {"queue": "a", "names": "call"}, {"queue": "a", "versions": ["2"]}) == [{"index": 1}]


def test_a_time_to_come_is_one_of_several(db, token):
    db.wf_start("job", queue="later", delay=0.3)
    assert came(db, {"tokens": token}, {"queue": "later"}, timeout=60) == [{"index": 1}]


def test_one_waiting_thread_serves_a_whole_worker(db, token, tmp_path):
    told, waiting = [], threading.Event()

    def wait():
        mine = open_database(tmp_path / "test.db")
        waiting.set()
        told.append(came(mine, {"queue": ["default", "mails"]}, {"tokens": token}, timeout=60))
        told.append(came(mine, {"tokens": token}, timeout=60))
        mine.close()

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait()
    db.wf_start("job", queue="mails")
    while not told:
        time.sleep(0.01)
    db.wf_pause("w1")
    thread.join(60)
    assert told == [[{"index": 0}], [{"index": 0, "token": token, "code": "WF_PAUSED"}]]


@pytest.mark.parametrize("options", [
    {"any": []}, {"any": {}}, {"any": [5]}, {"any": [{"colour": 1}]}, {"any": [{"any": []}]}, {"any": [{}], "queue": "a"},
    {"any": [{"id": "w1", "queue": "a"}]}, {"id": "w1", "tokens": "run_1_1"}, {"streams": {"id": "w1", "stream": "s"}, "worker": "w"}])
def test_one_thing_each(db, options):
    db.wf_init()
    with wf_error("WF_INVALID"):
        db.wf_wait(0, **options)
