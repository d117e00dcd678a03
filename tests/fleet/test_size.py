"""docs/fleets.md says what an empty file costs."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "fleets.md").read_text()


@pytest.mark.parametrize("page_size", [4096, 1024, 512])
def test_an_empty_file_is_as_large_as_the_page_says(connect, page_size):
    db = connect()
    db.execute("PRAGMA page_size = %d" % page_size)
    db.execute("PRAGMA journal_mode = wal")
    db.wf_init()
    kib = db.value("PRAGMA page_count") * page_size // 1024
    said = re.search(r"^\| %d .*?\| (\d+) KiB \|" % page_size, PAGE, re.M)
    assert kib == int(said.group(1))
    trees = db.value("SELECT count(*) FROM sqlite_master WHERE rootpage > 0")
    assert trees == int(re.search(r"each table and each index, (\d+) of them", PAGE).group(1))


def test_an_empty_file_takes_at_most_128_kib(connect):
    db = connect()
    db.execute("PRAGMA journal_mode = wal")
    db.wf_init()
    assert (db.value("PRAGMA page_size"), db.value("PRAGMA page_count") <= 32) == (4096, True)


@pytest.mark.parametrize("page_size", [4096, 1024, 512])
def test_and_one_with_a_hundred_workflows(connect, page_size):
    db = connect()
    db.execute("PRAGMA page_size = %d" % page_size)
    db.execute("PRAGMA journal_mode = wal")
    db.execute("BEGIN")
    for n in range(100):
        db.wf_start("job", {"n": n})
    db.execute("COMMIT")
    said = re.search(r"^\| %d .*?\| \d+ KiB \| (\d+) KiB \|" % page_size, PAGE, re.M)
    assert db.value("PRAGMA page_count") * page_size / 1024 == pytest.approx(int(said.group(1)), rel=0.05)  # ids are random, and where pages split
