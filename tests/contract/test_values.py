"""Values: JSON text, numbers and BLOBs go in and come back, byte for byte and of the same type."""

import json
import math

import pytest
from support import wf_error

JSON_TEXTS = [
    '{"a":1}',
    ' { "b" : [ 1 , 2 ] , "a" : null } ',
    "\t[\r\n]\n",
    "null",
    "true",
    "5",
    "-0",
    "1.0",
    "1E+2",
    "12345678901234567890123",
    '""',
    '"é 中 🙂"',
    '"\\u0000\\ud83d\\ude00\\/"',
    '{"a":1,"a":2}',
    "[" * 1000 + "]" * 1000,
]
NUMBERS = [0, -1, 2**63 - 1, -(2**63), 0.5, 3.0, -0.0, 1e300, 5e-324]
BLOBS = [b"", b"\x00", b"{}", bytes(range(256))]
VALUES = JSON_TEXTS + NUMBERS + BLOBS

NOT_JSON = [
    "",
    " ",
    "hello",
    'say "hi" \\ to C:\\new',
    "{a:1}",
    "{'a':1}",
    "[1,]",
    '{"a":1,}',
    "[1] 2",
    "01",
    "+1",
    ".5",
    "5.",
    "0x10",
    "1e",
    "NaN",
    "Infinity",
    "-",
    "True",
    "nul",
    '"open',
    '"\\x41"',
    '"\\u12g4"',
    '"line\nfeed"',
    "/* no */ 1",
    "// no\n1",
    "\ufeff1",
    "\u00a01",
    "[" * 1001 + "]" * 1001,
]


def name(value):
    return repr(value)[:30]


def same(a, b):
    return type(a) is type(b) and (a == b) and (not isinstance(a, float) or math.copysign(1, a) == math.copysign(1, b))


@pytest.mark.parametrize("value", VALUES, ids=name)
def test_a_step_output_comes_back_byte_for_byte_and_of_the_same_type(db, value):
    db.wf_start("job", id="w1")
    assert same(db.wf_step("w1", "a", value), value)
    assert same(db.wf_step("w1", "a"), value)
    assert same(db.value("SELECT output FROM wf_steps"), value)


@pytest.mark.parametrize("value", VALUES, ids=name)
def test_a_workflow_output_comes_back_byte_for_byte_and_of_the_same_type(db, value):
    db.wf_start("job", id="w1")
    db.wf_complete("w1", value)
    assert same(db.wf_result("w1"), value)
    assert same(db.workflow()["output"], value)


@pytest.mark.parametrize("value", VALUES, ids=name)
def test_an_input_comes_back_byte_for_byte_and_of_the_same_type(db, value):
    db.wf_start("job", value, id="w1")
    assert same(db.workflow()["input"], value)


def test_values_read_by_another_connection_are_the_same(db, connect):
    for number, value in enumerate(VALUES):
        db.wf_start("job", value, id="w%d" % number)
        db.wf_complete("w%d" % number, value)
    other = connect()
    for number, value in enumerate(VALUES):
        assert same(other.workflow("w%d" % number)["input"], value)
        assert same(other.wf_result("w%d" % number), value)


@pytest.mark.parametrize(
    "value, shown",
    [
        ('{"a": [1, "x", null]}', {"a": [1, "x", None]}),
        ('"é"', "é"),
        (None, None),
        (7, 7),
        (2**63 - 1, 2**63 - 1),
        (3.0, 3.0),
        (0.1, 0.1),
        (b"\x00\xffk", {"$blob": "00ff6b"}),
        (b"", {"$blob": ""}),
    ],
    ids=name,
)
def test_inside_json_a_value_is_itself_and_a_blob_is_its_hex_digits(db, value, shown):
    db.wf_start("job", value, id="w1")
    token = db.claim()["token"]
    db.wf_step(token, "a", value)
    db.wf_release(token)
    claim = db.claim(steps=True)
    for found in (claim["input"], db.outputs(claim)["a"]):
        if isinstance(value, bytes):
            found = {key: digits.lower() for key, digits in found.items()}
        assert same(found, shown)


@pytest.mark.parametrize("value", [9e999, -9e999])
def test_an_infinite_number_is_kept_and_never_breaks_the_json_of_a_claim(db, value):
    db.wf_start("job", value, id="w1")
    assert same(db.workflow()["input"], value)
    assert db.value("SELECT json_valid(wf_claim())") == 1


def test_sql_null_means_json_null_and_differs_from_not_there(db):
    db.wf_start("job", None, id="w1")
    assert db.wf_result("w1") is None
    assert db.value("SELECT typeof(wf_step('w1', 'a'))") == "null"
    assert db.wf_step("w1", "a", None) == "null"
    assert db.wf_step("w1", "a") == "null"
    assert db.wf_complete("w1", None) == "completed"
    assert db.wf_result("w1") == "null"
    assert db.workflow()["input"] == "null"


def test_json_carries_the_json_subtype(db):
    db.wf_start("job", id="w1")
    db.wf_step("w1", "a", '{"n":1}')
    assert db.value("SELECT json_object('a', wf_step('w1', 'a'))") == '{"a":{"n":1}}'
    assert db.value("SELECT json_array(wf_step('w1', 'b', '[2]'))") == "[[2]]"
    db.wf_complete("w1", '{"n":3}')
    assert db.value("SELECT json_object('a', wf_result('w1'))") == '{"a":{"n":3}}'
    db.wf_start("job", id="w2")
    assert db.value("SELECT json_extract(json_object('c', wf_claim()), '$.c.id')") == "w2"
    db.wf_recover()
    db.wf_fail("w2", '{"n":4}', retry=False)
    assert db.value("SELECT json_object('a', wf_error('w2'))") == '{"a":{"n":4}}'


def test_text_that_names_something_has_no_json_subtype(db):
    db.wf_start("job", id="w1")
    assert db.value("SELECT json_array(wf_status('w1'))") == '["pending"]'


@pytest.mark.parametrize("text", NOT_JSON, ids=name)
def test_an_input_that_is_not_json_is_invalid_and_the_message_says_how_to_quote(db, text):
    """What begins as JSON has a mistake in it; all else was meant as a text."""
    with wf_error("WF_INVALID", "double quotes" if text[:1] in ("{", "[") else "json_quote("):
        db.wf_start("job", text, id="w1")
    assert db.wf_pending() == 0


@pytest.mark.parametrize(
    "value",
    ["CAST(x'226122' || x'00' AS TEXT)", "CAST(x'22006122' AS TEXT)", "CAST(x'22ff22' AS TEXT)", "CAST(x'22c0af22' AS TEXT)"],
)
def test_an_input_with_an_embedded_nul_or_invalid_utf8_is_invalid(db, value):
    with wf_error("WF_INVALID"):
        db.value("SELECT wf_start('job', %s)" % value)
    assert db.wf_pending() == 0


@pytest.mark.parametrize("text", NOT_JSON, ids=name)
def test_an_output_that_is_not_json_is_kept_as_a_json_string(db, text):
    db.wf_start("job", id="w1")
    recorded = db.wf_step("w1", "a", text)
    assert json.loads(recorded) == text
    assert db.value("SELECT json_valid(wf_step('w1', 'a'))") == 1
    db.wf_complete("w1", text)
    assert db.wf_result("w1") == recorded


@pytest.mark.parametrize("text", NOT_JSON, ids=name)
def test_an_error_that_is_not_json_is_kept_as_a_json_string(db, text):
    db.wf_start("job", id="w1")
    assert db.wf_fail("w1", text, retry=False) == "failed"
    assert json.loads(db.wf_error("w1")) == text
    assert json.loads(db.value("SELECT error FROM wf_failures")) == text


@pytest.mark.parametrize(
    "blob, kept",
    [
        (b"hello", '"hello"'),
        (b'a "b" \\c', '"a \\"b\\" \\\\c"'),
        (b"a\x00b", '"a\\u0000b"'),
        (b"a\xffb", '"a\ufffdb"'),
        (b"\x1b[31m", '"\\u001b[31m"'),
    ],
)
def test_control_characters_nul_and_invalid_utf8_never_refuse_an_output(db, blob, kept):
    db.wf_start("job", id="w1")
    assert db.value("SELECT wf_step('w1', 'a', CAST(? AS TEXT))", blob) == kept
    assert db.wf_step("w1", "a") == kept


@pytest.mark.parametrize("error, shown", [(None, "null"), (5, 5), (0.5, 0.5), (b"\x00\xff", b"\x00\xff")], ids=name)
def test_an_error_is_never_refused_for_its_form(db, error, shown):
    db.wf_start("job", id="w1")
    assert db.wf_fail("w1", error, retry=False) == "failed"
    assert same(db.wf_error("w1"), shown)
    listed = db.value("SELECT error FROM wf_failures")
    assert listed == (shown if isinstance(shown, bytes) else str(shown))


def test_an_error_as_json_comes_back_as_it_was(db):
    db.wf_start("job", id="w1")
    db.wf_fail("w1", ' {"code": 7} ', retry=False)
    assert db.wf_error("w1") == ' {"code": 7} '
