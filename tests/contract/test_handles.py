"""Handles and names: what is accepted as an id, a token and a name, and how a token is fenced."""

import pytest
from support import BASE, wf_error

BAD_NAMES = [
    pytest.param("''", id="empty"),
    pytest.param("NULL", id="null"),
    pytest.param("5", id="integer"),
    pytest.param("5.5", id="real"),
    pytest.param("x'61'", id="blob"),
    pytest.param("replace(hex(zeroblob(128)), '00', 'ab')", id="256 bytes"),
    pytest.param("replace(hex(zeroblob(128)), '00', 'é')", id="256 bytes in 128 characters"),
    pytest.param("'a' || char(10)", id="line feed"),
    pytest.param("'a' || char(31)", id="control character"),
    pytest.param("char(133)", id="control character of two bytes"),
    pytest.param("'a' || char(159)", id="last control character"),
    pytest.param("CAST(x'610062' AS TEXT)", id="embedded NUL"),
    pytest.param("CAST(x'61ff' AS TEXT)", id="invalid UTF-8"),
    pytest.param("CAST(x'c080' AS TEXT)", id="overlong UTF-8"),
    pytest.param("CAST(x'eda080' AS TEXT)", id="surrogate in UTF-8"),
]
GOOD_NAMES = [
    pytest.param("a", id="one byte"),
    pytest.param("a" * 255, id="255 bytes"),
    pytest.param("é" * 127 + "a", id="255 bytes in 128 characters"),
    pytest.param("Größe 中文 🙂 / it's \"so\"", id="any text"),
    pytest.param("5", id="digits as text"),
]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize(
    "call",
    [
        "wf_start({})",
        "wf_step('w1', {})",
        "wf_step('w1', {}, '1')",
        "wf_key('w1', {})",
    ],
)
def test_a_name_is_non_empty_text_up_to_255_bytes_without_control_characters(db, call, name):
    db.wf_start("job", id="w1")
    before = db.everything()
    with wf_error("WF_INVALID"):
        db.value("SELECT " + call.format(name))
    assert db.everything() == before


@pytest.mark.parametrize("name", [case for case in BAD_NAMES if case.id != "null"])
@pytest.mark.parametrize("call", ["wf_claim({})", "wf_claim(NULL, {})"])
def test_queue_and_worker_names_follow_the_same_rule(db, call, name):
    db.wf_start("job", id="w1")
    with wf_error("WF_INVALID"):
        db.value("SELECT " + call.format(name))
    assert db.wf_status("w1") == "pending"


@pytest.mark.parametrize("name", ["", 5, 5.5, "a" * 256, "a\n", True])
@pytest.mark.parametrize(
    "function, arguments, key",
    [
        ("wf_start", ("job",), "id"),
        ("wf_start", ("job",), "queue"),
        ("wf_start", ("job",), "version"),
        ("wf_start", ("job",), "partition"),
        ("wf_start", ("job",), "dedup"),
        ("wf_claim", (), "id"),
        ("wf_claim", (), "key"),
        ("wf_fail", ("w1", "e"), "step"),
        ("wf_recover", (), "worker"),
    ],
)
def test_names_in_options_follow_the_same_rule_and_the_message_names_the_key(db, function, arguments, key, name):
    db.wf_start("job", id="w1")
    before = db.everything()
    with wf_error("WF_INVALID", key):
        db.call(function, *arguments, **{key: name})
    assert db.everything() == before


@pytest.mark.parametrize("key", ["names", "versions"])
@pytest.mark.parametrize("names", [[5], ["a", ""], ["a" * 256], [None], [["a"]]])
def test_lists_of_names_follow_the_same_rule(db, key, names):
    with wf_error("WF_INVALID", key):
        db.wf_claim(**{key: names})


@pytest.mark.parametrize("queues", ["[5]", '["a", ""]', '[["a"]]', "[null]"])
def test_a_queue_array_holds_names(db, queues):
    with wf_error("WF_INVALID"):
        db.wf_claim(queues)


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_good_names_come_back_as_they_were(db, name):
    assert db.wf_start(name, id=name, queue=name, version=name) == name
    claim = db.claim(name, name)
    assert [claim[key] for key in ("id", "name", "queue", "version", "worker")] == [name] * 5
    assert db.wf_step(claim["token"], name, "1") == "1"
    assert db.column("SELECT name FROM wf_steps") == [name]


@pytest.mark.parametrize("id", ["run_", "run_1_2", "[", '["a"]'])
def test_an_id_does_not_start_like_a_token_or_an_array(db, id):
    with wf_error("WF_INVALID", "id"):
        db.wf_start("job", id=id)
    assert db.wf_pending() == 0


def test_other_names_may_start_like_a_token(db):
    db.wf_start("run_job", id="w1", queue="run_queue")
    assert db.claim("run_queue", "run_worker")["name"] == "run_job"


@pytest.mark.parametrize("handle", [None, 5, 5.5, b"w1", "", "a" * 256, "w\x01"])
@pytest.mark.parametrize(
    "function, arguments",
    [
        ("wf_step", ("a",)),
        ("wf_step", ("a", "1")),
        ("wf_complete", ()),
        ("wf_fail", ("e",)),
        ("wf_heartbeat", ()),
        ("wf_release", ()),
    ],
)
def test_a_handle_is_a_name(db, function, arguments, handle):
    with wf_error("WF_INVALID"):
        db.call(function, handle, *arguments)


# Tokens


@pytest.mark.parametrize("call", ["wf_step({}, 'a')", "wf_step({}, 'a', 1)", "wf_complete({})", "wf_fail({}, 'no')", "wf_release({})", "wf_sleep({}, 's', 1)"])
def test_the_handle_of_a_claim_that_found_nothing_is_asked_about(db, call):
    with wf_error("WF_INVALID", "is NULL: was nothing claimed?"):
        db.value("SELECT " + call.format("json_extract(wf_claim(), '$.token')"))


def test_a_token_is_text_that_starts_with_run_and_is_new_at_each_claim(db):
    tokens = [db.running()["token"]]
    for _ in range(3):
        db.wf_release(tokens[-1])
        tokens.append(db.claim()["token"])
    assert all(token.startswith("run_") for token in tokens)
    assert len(set(tokens)) == 4


WRITES = [
    pytest.param(lambda db, handle: db.wf_step(handle, "new"), id="guard"),
    pytest.param(lambda db, handle: db.wf_step(handle, "new", "1"), id="step"),
    pytest.param(lambda db, handle: db.wf_complete(handle), id="complete"),
    pytest.param(lambda db, handle: db.wf_fail(handle, "e"), id="fail"),
    pytest.param(lambda db, handle: db.wf_fail(handle, "e", step="new"), id="fail a step"),
    pytest.param(lambda db, handle: db.wf_heartbeat(handle), id="heartbeat"),
    pytest.param(lambda db, handle: db.wf_release(handle), id="release"),
]
BARE_ID_WRITES = [case for case in WRITES if case.id != "heartbeat"]


@pytest.mark.parametrize("write", WRITES)
def test_a_token_whose_time_ran_out_is_still_accepted(db, write):
    db.at(0)
    token = db.running()["token"]
    db.at(3600)
    write(db, token)


@pytest.mark.parametrize("write", WRITES)
def test_a_new_claim_ends_an_expired_one(db, write):
    db.at(0)
    old = db.running(worker="w")["token"]
    db.at(31)
    assert db.claim(None, "w")["id"] == "w1"
    before = db.everything()
    with wf_error("WF_LEASE_LOST", "w1"):
        write(db, old)
    assert db.everything() == before


@pytest.mark.parametrize("write", WRITES)
def test_a_write_by_bare_id_ends_an_expired_claim(db, write):
    db.at(0)
    old = db.running()["token"]
    db.at(31)
    assert db.wf_step("w1", "by hand", "1") == "1"
    before = db.everything()
    with wf_error("WF_LEASE_LOST"):
        write(db, old)
    assert db.everything() == before


def test_a_read_by_bare_id_does_not_end_an_expired_claim(db):
    db.at(0)
    old = db.running()["token"]
    db.at(31)
    assert db.wf_step("w1", "a") is None
    assert db.wf_step(old, "a", "1") == "1"


@pytest.mark.parametrize("write", WRITES)
def test_recovery_ends_a_claim(db, write):
    old = db.running()["token"]
    db.wf_recover()
    with wf_error("WF_LEASE_LOST"):
        write(db, old)


def test_a_claim_that_takes_other_work_does_not_end_an_expired_one(db):
    db.at(0)
    old = db.running()["token"]
    db.at(31)
    db.wf_start("job", id="w2", queue="other")
    assert db.claim("other")["id"] == "w2"
    assert db.wf_complete(old) == "completed"


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    "code, forge",
    [
        pytest.param("WF_LEASE_LOST", lambda token: token[:-1] + ("1" if token[-1] != "1" else "2"), id="another token"),
        pytest.param("WF_LEASE_LOST", lambda token: token[:-1], id="a shorter one"),
        pytest.param("WF_NOT_FOUND", lambda token: token.replace("run_1_", "run_zzz_"), id="of no workflow"),
        pytest.param("WF_INVALID", lambda token: "run_", id="prefix only"),
        pytest.param("WF_INVALID", lambda token: "run_not a token", id="other text"),
    ],
)
def test_a_forged_token_is_never_accepted(db, write, code, forge):
    token = db.running()["token"]
    before = db.everything()
    with wf_error(code):
        write(db, forge(token))
    assert db.everything() == before
    assert db.wf_heartbeat(token) is not None


# Bare ids


@pytest.mark.parametrize("write", BARE_ID_WRITES)
def test_a_bare_id_under_a_live_lease_is_refused_and_the_message_says_whose_and_until_when(db, write):
    db.at(0)
    db.running(worker="worker-7")
    with wf_error("WF_LEASED", "w1", "worker-7", "08:00:30"):
        write(db, "w1")


@pytest.mark.parametrize("write", [case for case in BARE_ID_WRITES if case.id != "release"])
def test_a_bare_id_waits_for_the_start_delay(db, write):
    db.at(0)
    db.wf_start("job", id="w1", delay=60)
    with wf_error("WF_STATE", "due_at", "08:01:00"):
        write(db, "w1")
    db.at(60)
    write(db, "w1")


@pytest.mark.parametrize("write", [case for case in BARE_ID_WRITES if case.id in ("guard", "step", "complete")])
def test_a_bare_id_waits_for_the_backoff(db, write):
    db.at(0)
    db.wf_start("job", id="w1", backoff={"initial": 60})
    db.wf_fail("w1", "e")
    with wf_error("WF_STATE", "due_at", "08:01:00"):
        write(db, "w1")
    db.at(60)
    write(db, "w1")


def test_a_bare_id_gives_no_mutual_exclusion_between_two_scripts(db, connect):
    other = connect()
    db.wf_start("job", id="w1")
    assert db.wf_step("w1", "a", "1") == "1"
    assert other.wf_step("w1", "a", "2") == "1"
    assert other.wf_step("w1", "b", "3") == "3"
    assert db.wf_complete("w1") == "completed"


def test_a_bare_id_serves_a_workflow_that_is_claimable_by_id_only(db):
    db.wf_start("job", id="w1", manual=True)
    assert db.wf_step("w1", "a", "1") == "1"
    assert db.wf_complete("w1") == "completed"


def test_writes_by_bare_id_leave_attempt_and_status_alone(db):
    db.wf_start("job", id="w1")
    db.wf_step("w1", "a", "1")
    workflow = db.workflow()
    assert (workflow["attempt"], workflow["status"], workflow["worker"]) == (0, "pending", None)


def test_a_token_serves_wherever_an_id_is_read(db):
    token = db.running()["token"]
    db.wf_step(token, "a", "1")
    assert db.wf_status(token) == "running"
    assert db.wf_key(token, "a") == db.wf_key("w1", "a")
    db.wf_complete(token, "7")
    assert db.wf_result(token) == "7"
    assert db.wf_status(token) == "completed"
    failed = db.running("w2")["token"]
    db.wf_fail(failed, '"e"', retry=False)
    assert db.wf_error(failed) == '"e"'


def test_the_clock_of_one_call_decides_whether_a_lease_is_live(db):
    db.at(0)
    db.running()
    with wf_error("WF_LEASED"):
        db.wf_step("w1", "a", "1", now=BASE + 29)
    assert db.wf_step("w1", "a", "1", now=BASE + 31) == "1"
