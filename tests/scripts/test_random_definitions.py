"""Random definitions mean to the extension what they mean to the reference interpreter."""

import os
import random
import re
import sys
from pathlib import Path

import pytest

import known_script_differences as known
from script_cases import Case, make_case
from script_mistakes import SCHEMA as MISTAKES_SCHEMA
from script_mistakes import plant
from script_reference import Difference, text
from script_runs import Crew, Run, STYLES, in_processes, judge, prepare, run_alone
from support import open_database, wf_error

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "crash"))
from crashing import kill_after, moment, run_and_kill, warm_up  # noqa: E402

DEEP = "WFEXT_DEEP" in os.environ
SLOW = "WFEXT_SANITIZE" in os.environ
SEED = int(os.environ.get("WFEXT_SEED", "0") or 0) or (random.SystemRandom().randrange(1, 10**9) if DEEP else 1)
ALONE = 30_000 if DEEP else 300 if SLOW else 1_500
KILLED = 300 if DEEP else 5 if SLOW else 20
TOGETHER = 200 if DEEP else 3 if SLOW else 12
CREW = 12  # cases in one file
INVALID = 10_000 if DEEP else 400
PARTS = 10


def difference(seed, **options):
    """What is different for one seed, None if nothing is."""
    case = make_case(seed, "w", **options)
    rng = random.Random("%s run" % seed)
    try:
        run_alone(case, rng.choice(STYLES), rng)
    except (Difference, AssertionError) as error:
        return None if known.excused(case, error) else "%s\n%s" % (error, case.show())
    return None


def shrink(seed, found):
    """Leaves steps out, one after the other, as long as something stays different."""
    size = make_case(seed, "w").definition["steps"]
    omit = []
    for i in range(12):
        if len(size) - len(omit) > 1 and i < len(size):
            smaller = difference(seed, omit=(*omit, i))
            if smaller:
                omit.append(i)
                found = smaller
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_a_definition_alone(part):
    for n in range(part * ALONE // PARTS, (part + 1) * ALONE // PARTS):
        seed = SEED * 1_000_000 + n
        found = difference(seed)
        if found:
            pytest.fail("seed %d (WFEXT_SEED=%d): %s" % (seed, SEED, shrink(seed, found)), pytrace=False)


def crew(tmp_path, seed):
    """Many cases in one file. (A timeout would end them at random moments.)"""
    cases = []
    for n in range(CREW):
        case = make_case("%s %d" % (seed, n), "w%d" % n)
        if case.ending != "timeout" and not known.avoided(case):
            cases.append(case)
    crew = Crew(str(tmp_path / "crew.db"), cases)
    crew.begin()
    return crew


@pytest.mark.parametrize("n", range(KILLED))
def test_killed_again_and_again(tmp_path, n):
    """One process at a time, killed at random moments: the record and the tables are as if nothing had happened.

    Or after so many operations, if these come first: where the machine is busy the moments may all come too late. (The whole takes 100,000 and more.)
    """
    warm_up()
    crew_ = crew(tmp_path, "killed %d %d" % (SEED, n))
    rng = random.Random(n)
    kills = 0

    def opened(db):
        if kills < 60:
            kill_after(rng.randrange(1, 20_000), db)

    while run_and_kill(lambda: crew_.life(rng.random(), True, opened), moment(rng, 0.02 if kills < 60 else 5)):
        kills += 1
        assert kills < 90
    assert kills > 1, "nothing was killed"
    crew_.judge_all()


@pytest.mark.parametrize("n", range(TOGETHER))
def test_three_processes_at_once(tmp_path, n):
    warm_up()
    crew_ = crew(tmp_path, "together %d %d" % (SEED, n))
    codes = in_processes([lambda i=i: crew_.life(i, False) for i in range(3)], 1200)
    if codes != [0, 0, 0]:
        db = open_database(crew_.path)
        pytest.fail(
            "%s\n%s\n%s"
            % (
                codes,
                db.records("SELECT * FROM wf_pending"),
                db.records("SELECT * FROM wf_steps WHERE status NOT IN ('done', 'skipped', 'failed', 'error')"),
            )
        )
    crew_.judge_all()


def test_mistakes_are_refused_by_their_path():
    db = prepare()
    db.executescript(MISTAKES_SCHEMA)
    for n in range(INVALID):
        rng = random.Random("%d mistake %d" % (SEED, n))
        case = make_case("invalid %d %d" % (SEED, n), "w")
        definition, mistakes = plant(rng, case.definition)
        try:
            with wf_error("WF_INVALID", "definition 'd'", *[word for _, words in mistakes for word in words]) as caught:
                db.wf_define("d", text(definition))
            for path, _ in mistakes:
                assert re.search(r"[:;] " + re.escape(path) + r"(\[\d+\]|\.[^:]+)*: ", caught.text), "%s is not named: %s" % (
                    path,
                    caught.text,
                )
            if len(mistakes) > 1:
                assert "has %d mistakes: " % len(mistakes) in caught.text, caught.text
            else:
                assert " mistakes: " not in caught.text, caught.text
        except AssertionError as error:
            if known.excused_mistake(mistakes, str(error)):
                continue
            pytest.fail("mistake %d: %s\n%s" % (n, error, text(definition)), pytrace=False)
        assert db.rows("SELECT name FROM _wf_definition") == []
    db.close()


EDITS = {
    "an effect is missing": "DELETE FROM log WHERE n = (SELECT max(n) FROM log)",
    "an effect is there twice": "INSERT INTO log(wf, step, v, attempt) SELECT wf, step, v, attempt FROM log LIMIT 1",
    "another result": "UPDATE _wf_step SET output = '{\"changes\":7}' WHERE name = 'b'",
    "another output": "UPDATE _wf_workflow SET output = '3' WHERE id = 'w'",
    "another status": "UPDATE _wf_workflow SET status = 'failed', error = '{\"code\":\"step\"}' WHERE id = 'w'",
    "another order": "UPDATE _wf_step SET n = n + 100 WHERE name = 'a'",
    "a step is missing": "DELETE FROM _wf_step WHERE name = 'b'",
    "an attempt more": "UPDATE _wf_step SET attempts = attempts + 1 WHERE name = 'b'",
    "a failure less": "DELETE FROM _wf_failure",
}


@pytest.mark.parametrize("edit", [None, *EDITS])
def test_the_judge_notices(edit):
    definition = {
        "steps": [
            {"name": "a", "sql": "INSERT INTO log(wf, step, v) VALUES(:id, 'a', 1)"},
            {"name": "b", "sql": "INSERT INTO log(wf, step, v) SELECT :id, 'b', CASE :attempt WHEN 1 THEN json('{' || random()) ELSE :a::changes END"},
        ],
        "output": "SELECT count(*) FROM log WHERE wf = :id",
    }
    case = Case("none", "w", definition, None)
    db = prepare()
    run = Run(db, case, "all", random.Random(1))
    run.begin()
    run.to_the_end()
    if edit is None:
        assert judge(db, case).status == "completed"
    else:
        db.execute(EDITS[edit])
        with pytest.raises(Difference):
            judge(db, case)
    db.close()
