"""docs/file-format.md lists the tables, columns and indexes that the engine makes, no more and no less."""

import re

from blocks import ROOT

PAGE = ROOT / "docs" / "file-format.md"


def documented():
    """Heading `### _wf_x` -> the first cells of the table below it."""
    tables = {}
    for section in re.split(r"^### ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        name = re.match(r"`(_wf_\w+)`", section)
        if name:
            rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
            tables[name.group(1)] = [c for row in rows for c in re.findall(r"`(\w+)`", row)]
    return tables


def test_every_table_and_column_is_described_in_order(db):
    db.wf_init()
    db.make()
    made = {
        table: db.column("SELECT name FROM pragma_table_info(?)", table)
        for table in db.column("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '\\_wf\\_%' ESCAPE '\\'")
    }
    assert documented() == made


def test_every_index_is_named(db):
    db.wf_init()
    db.make()
    text = PAGE.read_text()
    indexes = db.column("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name LIKE '\\_wf\\_%' ESCAPE '\\'")
    assert indexes and [i for i in indexes if f"`{i}`" not in text] == []


def test_the_version_is_that_of_the_engine(db):
    version = db.wf_init()
    assert f"This page describes version {version}." in PAGE.read_text()
