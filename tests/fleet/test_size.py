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
    assert kib == pytest.approx(int(said.group(1)), rel=0.05)
    trees = db.value("SELECT count(*) FROM sqlite_master WHERE rootpage > 0")
    assert trees == pytest.approx(int(re.search(r"each table and each index, (\d+) of them", PAGE).group(1)), rel=0.05)
