"""docs/definition.schema.json says the same as wf_define."""

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMA = json.loads((DOCS / "definition.schema.json").read_text())


def test_it_has_the_keys_that_wf_define_allows(memdb):
    """An unknown key makes wf_define list those it knows."""
    step = SCHEMA["$defs"]["step"]["properties"]
    undo = next(kind for kind in step["undo"]["anyOf"] if kind["type"] == "object")["properties"]
    actions = ("sql", "task", "start", "sleep", "await", "await_event", "emit")
    known = set()
    for action in actions:
        known |= allowed(memdb, {"steps": [{"name": "a", action: "SELECT 1", "?": 1}]})
    assert known == set(step)
    assert allowed(memdb, {"steps": [{"name": "a", "sql": "SELECT 1", "undo": {"sql": "SELECT 1", "?": 1}}]}) == set(undo)
    assert allowed(memdb, {"steps": [{"name": "a", "sql": "SELECT 1"}], "?": 1}) == set(SCHEMA["properties"])


def allowed(db, document):
    with pytest.raises(Exception) as raised:
        db.wf_define("d", document)
    return set(re.search("allowed are ([a-z_, ]+)", str(raised.value))[1].split(", "))


def test_the_documentation_has_a_row_for_every_key():
    text = (DOCS / "scripts.md").read_text()
    table = text[text.index("| key |") : text.index("Exactly one of")]
    keys = set(re.findall("`([a-z_]+)`", " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))))
    assert keys == set(SCHEMA["properties"]) | set(SCHEMA["$defs"]["step"]["properties"])


def test_documents_are_valid_for_both(memdb):
    jsonschema = pytest.importorskip("jsonschema")
    memdb.execute("CREATE TABLE stock(sku, free, held)")
    memdb.execute("CREATE TABLE shipment(sku, qty)")
    found = re.findall(r"wf_define\('[a-z]+', '(\{.*?\})'\)", (DOCS / "scripts.md").read_text(), re.S)
    document = json.loads(found[0].replace("''", "'"))
    jsonschema.validate(document, SCHEMA)
    assert memdb.wf_define("d", document) == 1
    for wrong in ({}, {"steps": []}, {"steps": [{"name": "a"}]}, {"steps": [{"name": "a", "sql": "SELECT 1", "sleep": 1}]}, {"steps": [{"name": "a", "sleep": "x y"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)
        with pytest.raises(Exception, match="WF_INVALID"):
            memdb.wf_define("d", wrong)
