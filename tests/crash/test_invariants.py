"""The rules of a killed file find what breaks them, in a file that has all tables as in one that has none of the rare ones."""

import pytest

from crashing import raw
from invariants import RARE, violations
from support import open_database

BROKEN = {
    "failed says why": "UPDATE _wf_workflow SET status = 'failed', error = NULL, place = NULL, due_at = NULL, finished_at = 1",
    "steps belong to a workflow": "INSERT INTO _wf_step(n, wf, name, kind, status, attempts, at) VALUES (7 << 28, 7, 'a', 'step', 'done', 1, 1)",
}


@pytest.mark.parametrize("made", [[], ["_wf_large"], ["_wf_gone", "_wf_failure"], list(RARE)], ids=len)
@pytest.mark.parametrize("rule", BROKEN)
def test_found_whatever_tables_there_are(tmp_path, made, rule):
    db = open_database(tmp_path / "test.db")
    db.wf_start("job", id="w")
    if made:
        db.make(*made)
    db.close()
    plain = raw(tmp_path / "test.db")
    assert violations(plain) == {}
    plain.execute(BROKEN[rule])
    assert list(violations(plain)) == [rule]
    if "_wf_gone" in made and rule.startswith("steps"):
        plain.execute("INSERT INTO _wf_gone VALUES (7)")
        assert violations(plain) == {}
    plain.close()
