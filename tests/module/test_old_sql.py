"""What the packages, the examples and the engine write in SQL is known to the oldest SQLite that is supported, 3.31, whichever one the tests run on."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# (RETURNING and the rest are words of SQL where they are written large.)
NEWER = {
    "3.32": r"\biif\(",
    "3.33": r"\bsqlite_schema\b",
    "3.35": r"\bRETURNING\b|\bMATERIALIZED\b|\bDROP COLUMN\b",
    "3.37": r"\) STRICT\b|\btable_list\b",
    "3.38": r"->>|->\s*'\$|\bunixepoch\(",
    "3.39": r"\bIS (NOT )?DISTINCT FROM\b|\b(RIGHT|FULL) (OUTER )?JOIN\b",
    "3.42": r"'subsec|\bjson_error_position\(|\btimediff\(",
    "3.43": r"\boctet_length\(",
    "3.44": r"\bstring_agg\(|\bconcat_ws\(",
    "3.45": r"\bjsonb(_[a-z]+)?\(",
}
FILES = [
    path
    for place, kinds in {
        "sql": ("sql",), "examples": ("sql", "py"), "bindings/python/src": ("py", "html", "sql"), "bindings/node/src": ("ts",), "bindings/go": ("go",), "bindings/rust": ("rs",),
    }.items()
    for kind in kinds
    for path in sorted((ROOT / place).rglob("*." + kind))
    if not {"tests", "node_modules", "target"} & set(path.relative_to(ROOT).parts) and not path.name.endswith("_test.go")
]


def found(text):
    return [(version, match.group()) for version, newer in NEWER.items() for match in re.finditer(newer, text)]


def test_the_packages_write_nothing_newer():
    assert {path.parts[len(ROOT.parts)] for path in FILES} == {"sql", "examples", "bindings"} and len(FILES) > 100
    assert {str(path.relative_to(ROOT)): found(path.read_text()) for path in FILES if found(path.read_text())} == {}


@pytest.mark.parametrize("sql", ["SELECT name FROM sqlite_schema", "SELECT input ->> '$.a' FROM t", "SELECT x -> '$.a'", "DELETE FROM t RETURNING x", "SELECT unixepoch('now')"])
def test_it_would_be_noticed(sql):
    assert len(found(sql)) == 1
