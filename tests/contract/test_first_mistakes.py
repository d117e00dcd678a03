"""What goes wrong in somebody's first hour: each message names the value, and says what to do instead."""

import pytest
from support import wf_error

DICT = "{'sku': 'tea'}"                 # a dict of Python, not dumped
QUOTES = "JSON has its texts and names in double quotes"


@pytest.fixture
def w1(db):
    db.wf_start("job", id="w1")
    return db


@pytest.mark.parametrize("call, arguments, named", [
    ("wf_start('order', ?)", [DICT], [DICT, QUOTES]),
    ("wf_start('order', '{sku: 1}')", [], ["{sku: 1}", QUOTES]),
    ("wf_signal('w1', 'go', ?)", ["[None]"], ["[None]", QUOTES]),
    ("wf_start('order', 'tea')", [], ["'tea'", "for a text value use json_quote(...)"]),
    ("wf_start('order', NULL, ?)", ["{'id': 'x'}"], ["options of wf_start()", "{'id': 'x'}", QUOTES]),
    ("wf_start('order', NULL, 'order-1')", [], ["options of wf_start()", "'order-1'"]),
    ("wf_purge('30d')", [], ["options of wf_purge()", "'30d'"]),
    ("wf_cancel(?)", ["['w1']"], ["['w1']", QUOTES]),
    ("wf_claim(?)", ["['default']"], ["['default']", QUOTES]),
    ("wf_define('d', ?)", ["{'steps': []}"], ["{'steps': []}", QUOTES]),
    ("wf_define('d', 'SELECT 1')", [], ["'SELECT 1'"]),
    ("wf_define('{\"steps\":[]}', 'd')", [], ["'d'"]),
    ("wf_join('w1', 'j', 'w1/kid')", [], ["ids of wf_join()", "'w1/kid'", '["w1/kid"]']),
    ("wf_start('order', NULL, '{\"id\": 5}')", [], ['"id"', '"5"']),
    ("wf_start('order', NULL, '{\"version\": 1.5}')", [], ['"version"', '"1.5"']),
    ("wf_queue('q', '{\"rate\": \"60/m\"}')", [], ['"60/m"', "{limit, per}"]),
    ("wf_schedule('s', 'daily', 'job')", [], ["'daily'", "@daily"]),
    ("wf_schedule('s', '0 8 * * *', 'job', NULL, '{\"timezone\": \"Berlin\"}')", [], ["'Berlin'", "Europe/Berlin"]),
    ("wf_start('order', NULL, '{\"max_retries\": 5}')", [], ["max_retries", "max_attempts"]),
    ("wf_start('order', NULL, '{\"delay\": \"5 minutes\"}')", [], ["5 minutes", "'1h30m'"]),
    ("wf_heartbeat('w1')", [], ["'w1' is an id", "token"]),
])
def test_the_message_names_the_value_and_what_belongs_there(w1, call, arguments, named):
    before = w1.everything()
    with wf_error("WF_INVALID", *named):
        w1.value("SELECT " + call, *arguments)
    assert w1.everything() == before


@pytest.mark.parametrize("call", ["wf_step(?, 'a')", "wf_step(?, 'a', 1)", "wf_complete(?)", "wf_fail(?, 'e')", "wf_release(?)", "wf_await(?, 'a', 'go')"])
@pytest.mark.parametrize("options", [None, '{"limit":1}', '{"steps":true}'])
def test_a_whole_claim_is_told_from_its_token(w1, call, options):
    claim = w1.wf_claim(None, "a worker", options)
    with wf_error("WF_INVALID", "handle of %s" % call.split("(")[0], "a whole claim", "$.token"):
        w1.value("SELECT " + call, claim)


def test_json_may_still_be_an_id(db):
    db.wf_start("job", id='{"token":1}')
    assert db.wf_step('{"token":1}', "a", 1) == 1
