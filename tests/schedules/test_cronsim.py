"""The times of cron expressions against the package cronsim, where it is installed (`pip install cronsim`): Debian's rules by other hands."""

import os
import re
from datetime import datetime

import pytest
from calendar_reference import UTC, triples

cronsim = pytest.importorskip("cronsim", reason="the package cronsim is not installed")
# It takes every change of a clock for one of an hour.
NOT_BY_THE_HOUR = {"Australia/Lord_Howe", "Asia/Kathmandu", "America/Caracas", "Pacific/Kwajalein", "Pacific/Apia"}
BLOCKS = 40 if os.environ.get("WFEXT_DEEP") else 30


@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_next_times_are_those_of_cronsim(memdb, block):
    memdb.wf_init()
    memdb.execute("BEGIN")
    wrong, compared = [], 0
    for n, (expression, zone, after) in enumerate(triples(1000 + block, 400)):
        if zone.key in NOT_BY_THE_HOUR:
            continue
        if re.search(r"\b(\w+)-\1/", expression.text):
            continue                         # it reads 2-2/3 as 2/3
        if any(re.search(r",[*?]", expression.fields[name].text) for name in ("minute", "hour")):
            continue                         # Debian's cron, and ours, looks at the first character of the field only, it at all
        try:
            expected = next(cronsim.CronSim(expression.text.replace("?", "*"), after.astimezone(zone))).astimezone(UTC)
        except StopIteration:
            expected = None
        except cronsim.CronSimError:
            continue                         # it knows no SAT-7, and a few other forms
        compared += 1
        text = memdb.wf_schedule("s%d" % n, expression.text, "job", timezone=zone.key, now=after.strftime("%Y-%m-%dT%H:%M:%SZ"))
        found = None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)
        if found != expected:
            wrong.append("%s in %s after %s: %s, cronsim says %s" % (expression.text, zone.key, after, found, expected))
    assert wrong == [] and compared > 150
