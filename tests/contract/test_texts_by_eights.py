"""Texts are looked at eight bytes at a time, and times are written digit by digit: whatever stands at whichever place is seen, and no digit is wrong."""

import datetime
import random

import pytest
from support import BASE

LENGTHS = range(1, 19)


@pytest.mark.parametrize("bad", ["c3", "80", "ff", "e282", "eda080", "f09f98"])
def test_a_byte_that_is_none_of_utf_8_is_seen_at_every_place(db, bad):
    db.wf_start("job", id="w")
    for length in LENGTHS:
        for at in range(length):
            text = b"a" * at + bytes.fromhex(bad) + b"a" * (length - at - 1)
            db.execute("UPDATE _wf_workflow SET worker = CAST(? AS TEXT)", [text])
            shown = db.value("SELECT worker FROM wf_workflows")
            assert "�" in shown and shown.replace("�", "") == "a" * (length - 1), text


@pytest.mark.parametrize("good", ["é", "€", "\U0001f600", "\x7f"])
def test_a_character_of_several_bytes_is_seen_at_every_place(db, good):
    db.wf_start("job", id="w")
    for length in LENGTHS:
        for at in range(length):
            text = "a" * at + good + "a" * (length - at - 1)
            db.execute("UPDATE _wf_workflow SET worker = ?", [text])
            assert db.value("SELECT worker FROM wf_workflows") == text


@pytest.mark.parametrize("control", ["\x01", "\x1f", "\x7f", "\x80", "\x9f"])
def test_a_control_character_in_a_name_is_seen_at_every_place(db, control):
    for length in LENGTHS:
        for at in range(length):
            with pytest.raises(Exception, match=r"WF_INVALID: .* control character U\+00"):
                db.wf_start("a" * at + control + "a" * (length - at - 1))


@pytest.mark.parametrize("allowed", [" ", "~", "\xa0", "é", "\U0001f600"])
def test_what_is_next_to_a_control_character_is_allowed_at_every_place(db, allowed):
    for length in LENGTHS:
        for at in range(length):
            name = "a" * at + allowed + "a" * (length - at - 1)
            assert db.value("SELECT name FROM wf_workflows WHERE id = ?", db.wf_start(name)) == name


def test_times_are_written_to_the_last_digit(db):
    db.wf_start("job", id="w")
    numbers = random.Random(9)
    first, last = -62135596800000, 253402300799999  # of the years 1 to 9999
    times = [first, last, 0, -1, 999, 1000, 59_999, BASE * 1000] + [numbers.randint(first, last) for _ in range(3000)]
    times += [year * 31556952000 - 62167219200000 for year in range(2, 9999, 3)]
    epoch = datetime.datetime(1970, 1, 1)
    for time in times:
        db.execute("UPDATE _wf_workflow SET created_at = ?", [time])
        expected = (epoch + datetime.timedelta(milliseconds=time)).isoformat(sep=" ", timespec="milliseconds")
        assert db.value("SELECT created_at FROM wf_workflows") == expected
