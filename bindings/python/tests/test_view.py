"""What the command line and the page look at: lists in portions, counts, groups of errors, the timeline, drawings."""

import json
import random
import re


import pytest
from command_line import NOW, Maker, shop
from wfext.view import drawing, errors, files, fleet, lists, one, overview, tables, timeline, values
from wfext.view.lists import Filter


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """2,000 workflows: every seventh has failed, in one of three ways; names and queues go round."""
    path = str(tmp_path_factory.mktemp("many") / "app.db")
    maker = Maker(path)
    db = maker.db
    maker.at(0)
    db.execute("BEGIN")
    for i in range(2000):
        id = f"{'even' if i % 2 == 0 else 'odd'}-{i}"
        maker.call("wf_start", f"name-{i % 3}", None, {"id": id, "queue": f"queue-{i % 5}", "version": str(i % 4), "now": NOW + i, "tags": {"rest": str(i % 11)}})
        if i % 7 == 0:
            maker.call("wf_fail", id, {"type": f"Error{i % 3}", "message": f"no answer after {i} ms"}, {"retry": False, "now": NOW + i + 1})
    db.execute("COMMIT")
    maker.at(2000)
    yield path
    db.close()


@pytest.fixture
def connection(many):
    with files.open_file(many) as file:
        yield file.connection


def numbers(predicate):
    return [i + 1 for i in range(1999, -1, -1) if predicate(i)]


FILTERS = {
    "all": (Filter(), lambda i: True),
    "status": (Filter(status=("failed",)), lambda i: i % 7 == 0),
    "statuses": (Filter(status=("failed", "pending")), lambda i: True),
    "name": (Filter(name="name-1"), lambda i: i % 3 == 1),
    "queue and status": (Filter(queue="queue-2", status=("failed",)), lambda i: i % 5 == 2 and i % 7 == 0),
    "version": (Filter(version="3"), lambda i: i % 4 == 3),
    "worker": (Filter(worker="nobody"), lambda i: False),
    "prefix": (Filter(id_prefix="odd-19"), lambda i: i % 2 and str(i).startswith("19")),
    "prefix of many": (Filter(id_prefix="even-"), lambda i: i % 2 == 0),
    "prefix with signs": (Filter(id_prefix="*"), lambda i: False),
    "since": (Filter(since=(NOW + 1990) * 1000), lambda i: i >= 1990),
    "ended": (Filter(ended_before=(NOW + 50) * 1000), lambda i: i % 7 == 0 and i + 1 < 50),
    "tag": (Filter(tag="rest=4"), lambda i: i % 11 == 4),
    "error": (Filter(error="Error1: no answer after # ms"), lambda i: i % 7 == 0 and i % 3 == 1),
    "error and name": (Filter(error="Error1: no answer after # ms", name="name-1"), lambda i: i % 7 == 0 and i % 3 == 1),
}


@pytest.fixture(params=["at once", "in portions"])
def patience(request, monkeypatch):
    """At once by an index; and with every third query cut short, as in a file that is too large for it."""
    if request.param == "at once":
        return
    turn = 0
    real = files.limited

    def limited(connection, seconds=files.PORTION_SECONDS, patience=5):
        nonlocal turn
        turn += 1
        return real(connection, -1 if turn % 3 == 1 else seconds)

    monkeypatch.setattr(files, "_STEPS", 100)
    monkeypatch.setattr(lists, "limited", limited)


@pytest.mark.parametrize("name", FILTERS)
def test_pages_have_every_workflow_once(connection, patience, name):
    wanted, predicate = FILTERS[name]
    found, before = [], None
    while True:
        page = lists.list_workflows(connection, wanted, before=before, limit=37, seconds=60)
        assert page.complete and len(page.rows) <= 37
        found += [row.seq for row in page.rows]
        before = page.next
        if before is None:
            break
    assert found == numbers(predicate)


@pytest.mark.parametrize("name", FILTERS)
def test_ids_and_counts_are_those_of_the_pages(connection, patience, name):
    wanted, predicate = FILTERS[name]
    assert lists.count_matching(connection, wanted, seconds=60) == lists.Count(len(numbers(predicate)), True)
    found, before = [], None
    while True:
        ids, before = lists.matching_ids(connection, wanted, before=before, limit=100, seconds=60)
        found += ids
        if before is None:
            break
    assert [int(id.split("-")[1]) + 1 for id in found] == numbers(predicate)


def test_a_list_says_how_far_it_has_looked(connection, monkeypatch):
    """When the time is up: what was found is good, and the next page goes on there."""
    monkeypatch.setattr(lists.Scan, "_take", cut_off(lists.Scan._take))
    page = lists.list_workflows(connection, Filter(worker="nobody"), seconds=0)
    assert (page.rows, page.complete) == ([], False)
    assert page.next == 1500 and page.looked_to == (NOW + 1499) * 1000


def cut_off(real):
    """Reads down to 500 before where it is, and is then cut short."""

    def take(self, low, limit, into):
        real(self, max(low, self.at - 501), limit, into)
        return low > 0

    return take


def test_a_query_that_takes_too_long_is_ended():
    import sqlite3

    db = sqlite3.connect(":memory:")
    with pytest.raises(files.Interrupted), files.limited(db, 0.05):
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n").fetchall()
    assert db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT count(*) FROM n").fetchall() == [(100_000,)]  # and no other


def test_a_figure_that_takes_too_long_is_none(connection, monkeypatch):
    """Never a wrong number."""
    real = files.limited
    monkeypatch.setattr(files, "_STEPS", 1)
    for module in (overview, tables, lists, errors):
        monkeypatch.setattr(module, "limited", lambda connection, seconds=0, patience=5: real(connection, -1))
    assert overview.live(connection) is None and overview.tally(connection) is None and overview.overview(connection).counts is None and overview.workers(connection) is None
    assert not overview.need_you(connection).exact and not overview.failed(connection).exact and not overview.ended_per_minute(connection)[1]
    assert [(queue.name, queue.ready, queue.live) for queue in tables.queues(connection)] == [(f"queue-{i}", None, None) for i in range(5)]
    assert not errors.recent_failures(connection).complete


def test_counts(connection):
    assert overview.live(connection) == 2000 - len(range(0, 2000, 7))
    counted = overview.tally(connection)
    assert counted.by_status() == {"failed": 286, "pending": 1714} and counted.live() == overview.live(connection) == overview.live(connection, counted)
    assert tables.queues(connection, counted.live_by_queue()) == tables.queues(connection)
    assert counted.names() == (["name-0", "name-1", "name-2"], [f"queue-{i}" for i in range(5)])
    assert overview.failed(connection) == lists.Count(286, True) and overview.failed(connection, most=100) == lists.Count(100, False)
    groups = overview.overview(connection).counts
    assert sum(each.count for each in groups) == 2000 and {each.name for each in groups} == {"name-0", "name-1", "name-2"}
    assert next(each for each in groups if (each.name, each.status) == ("name-1", "pending")).oldest_at == (NOW + 1) * 1000
    minutes, complete = overview.ended_per_minute(connection)
    assert complete and sum(each.failed for each in minutes) == 286 and minutes[-1].at == (NOW + 1980) * 1000


def test_names_are_found_without_counting(connection, tmp_path):
    """In each queue and kind, however many partitions there are: none of them is gone through."""
    assert overview.names(connection) == overview.tally(connection).names()
    maker = shop(tmp_path / "shop.db")
    for each in range(1000):
        maker.call("wf_start", f"by-{each % 2}", None, {"queue": f"parts-{each % 4 // 2}", "partition": str(each)})
    found = overview.names(maker.db)
    assert found == overview.tally(maker.db).names() and {"by-0", "by-1", "fulfil"} < set(found[0]) and {"parts-0", "parts-1"} < set(found[1])
    plan = [row[3] for row in maker.db.execute("EXPLAIN QUERY PLAN " + overview._NAMES)]
    assert {each.split()[-1] for each in plan if each.startswith("SCAN")} == {"block"}, plan
    maker.db.close()


def test_errors_in_groups(connection):
    found = errors.errors(connection)
    assert (found.looked_at, found.complete, found.looked_to) == (286, True, None)
    assert sorted((each.error, each.count) for each in found.groups) == [(f"Error{k}: no answer after # ms", sum(i % 3 == k for i in range(0, 2000, 7))) for k in range(3)]
    assert found.groups[0].example == "Error0: no answer after 1995 ms" and found.groups[0].names == ("name-0",)


def test_what_varies_in_an_error():
    group = values.error_group
    assert group('{"type": "Http404", "message": "no order 12 of 0b8e7f00-0000-4000-8000-0123456789ab in 1.5 s at 0xff"}') == "Http404: no order # of # in # s at #"
    assert group('"plain 7"') == "plain #" and group("no JSON 7") == "no JSON #" and group(None) == "null" and group(b"\x01\x02") == "x'#' (# bytes)"
    assert group('{"code": "lease_lost", "message": "the lease ran out"}') == "lease_lost: the lease ran out" and group('{"a": 1}') == '{"a": #}'


def test_what_waits_for_people_is_counted_up_to_1000(tmp_path):
    maker = Maker(tmp_path / "app.db")
    maker.at(0)
    maker.db.execute("BEGIN")
    for i in range(1003):
        maker.call("wf_start", "ask", None, {"id": f"ask-{i}"})
        maker.call("wf_await", f"ask-{i}", "answered", json.dumps(["yes", "no"]))
    maker.db.execute("COMMIT")
    with files.open_file(str(tmp_path / "app.db")) as file:
        assert str(overview.need_you(file.connection)) == "1,000+"
        assert str(overview.need_you(file.connection, 2000)) == "1,003"
        people = overview.people(file.connection, 5)
        assert len(people) == 5 and people[0].what == "yes, no" and people[0].name == "ask" and people[0].since == NOW * 1000
        assert one.awaited(file.connection, "ask-7") == ["yes", "no"]
    maker.db.close()


def test_all_that_belongs_to_a_workflow_comes_in_parts(tmp_path):
    path = tmp_path / "app.db"
    maker = Maker(path)
    maker.at(0)
    maker.call("wf_start", "long", None, {"id": "long"})
    maker.db.execute("BEGIN")
    for i in range(1203):
        maker.call("wf_step", "long", f"s{i}", str(i))
        maker.call("wf_signal", "long", "go", str(i))
        maker.call("wf_append", "long", "log", str(i))
        maker.call("wf_set", "long", f"k{i:04}", str(i))
    for i in range(501):
        maker.call("wf_spawn", "long", f"c{i}", "child")
    maker.call("wf_trim", "long", "log", 3)
    maker.db.execute("COMMIT")
    with files.open_file(str(path)) as file:
        c = file.connection

        def parts(read, key):
            found, after = [], None
            while True:
                part = read(after)
                assert len(part) <= 500
                found += part
                if len(part) < 500:
                    return found
                after = key(part[-1])

        assert [each.name for each in parts(lambda after: one.steps(c, "long", after=after or 0), lambda s: s.seq)][:1203] == [f"s{i}" for i in range(1203)]
        assert [each.payload for each in parts(lambda after: one.signals(c, "long", after=after or 0), lambda s: s.seq)] == [str(i) for i in range(1203)]
        assert [each.value for each in parts(lambda after: one.items(c, "long", "log", start=after or 0), lambda s: s.offset + 1)] == [str(i) for i in range(3, 1203)]
        assert [each.value for each in parts(lambda after: one.values(c, "long", after=after or ""), lambda v: v.key)] == [str(i) for i in range(1203)]
        assert len(parts(lambda after: one.children(c, "long", after=after or 0), lambda r: r.seq)) == 501
        assert one.streams(c, "long") == [one.Stream("log", 3, 1203, False)]
        last = one.last_steps(c, "long")
        assert len(last) == 500 and last[-1].name == "c500" and one.last_steps(c, "long", before=last[0].seq)[-1].seq == last[0].seq - 1
        assert one.ancestors(c, "long/c7") == ["long"] and one.workflow(c, "nobody") is None and one.step(c, "long", "s7").output == "7"
    maker.db.close()


def test_the_mark_changes_with_the_file(many):
    with files.open_file(many) as file:
        before = files.mark(file.connection)
        assert files.mark(file.connection) == before
        maker = Maker(many)
        maker.call("wf_set", "odd-1", "k", "1")
        maker.db.close()
        assert files.mark(file.connection) != before


def test_a_reader_cannot_write(many):
    import sqlite3

    with files.open_file(many) as file, pytest.raises(sqlite3.OperationalError, match="readonly"):
        file.connection.execute("SELECT wf_cancel('odd-1')").fetchall()


def test_a_reader_does_nothing_to_a_file_that_has_taken_the_place_of_its_own(tmp_path):
    """A restore with a reader open: the -wal that is still there belongs to the old file, and is not written into the new one."""
    path, other = tmp_path / "app.db", tmp_path / "other.db"
    for each in (path, other):
        maker = Maker(str(each))
        maker.call("wf_start", "job", None, {"id": each.stem})
        maker.db.close()
    reader = files.open_file(str(path))
    writer = Maker(str(path))
    writer.call("wf_start", "job", None, {"id": "late"})
    writer.db.close()
    wal, restored = (tmp_path / "app.db-wal").read_bytes(), other.read_bytes()
    assert wal
    other.replace(path)
    reader.close()
    assert path.read_bytes() == restored and (tmp_path / "app.db-wal").read_bytes() == wal


def test_a_fleet(many, tmp_path):
    (row,) = fleet.fleet([many])
    assert (row.ready, row.running, row.waiting, row.failed, row.in_doubt, row.error) == (1714, 0, 0, 286, 0, None)
    with pytest.raises(files.NoFile, match="no file matches"):
        fleet.fleet([str(tmp_path / "*.db")])


# The timeline


def workflow(**given):
    fields = dict.fromkeys(one.Workflow.__dataclass_fields__)
    fields |= {"seq": 1, "id": "w", "name": "w", "status": "completed", "attempt": 1, "resumed": 0, "priority": 0, "max_attempts": 10, "period": 1, "tags": {}, "scripted": False}
    return one.Workflow(**(fields | given))


def step(seq, recorded, *, kind="step", status="done", begun=None, attempt=1, tries=1):
    return one.Step(seq, f"s{seq}", kind, status, "1", None, tries, begun, recorded, attempt, "w", None)


def test_a_step_begins_where_the_one_before_it_ends():
    line = timeline.timeline(workflow(created_at=0, started_at=300, attempt_at=300, completed_at=1000), [step(1, 500), step(2, 900)], [], 5000)
    assert (line.line.begin, line.line.end, line.line.is_open) == (0, 300, False)
    assert [(bar.begin, bar.end, bar.exact) for bar in line.bars] == [(300, 500, False), (500, 900, False)]
    assert [(bar.begin, bar.end, bar.state) for bar in line.attempts] == [(300, 1000, "done")]
    assert line.scale.folds == () and line.scale.place(500) == 0.5 and line.scale.place(-1) == 0 and line.scale.place(2000) == 1


def test_a_night_of_sleep_is_folded_and_a_night_of_work_is_not():
    day = 86_400_000
    steps = [step(1, 1000), step(2, 1000 + day, kind="sleep", begun=1000), step(3, 3000 + day)]
    line = timeline.timeline(workflow(created_at=0, started_at=0, attempt_at=0, completed_at=3000 + day), steps, [], 2 * day)
    assert [(fold.begin, fold.end) for fold in line.scale.folds] == [(1000, 1000 + day)]
    assert line.scale.place(1000) > 0.2 and 1 - line.scale.place(1000 + day) > 0.5
    line = timeline.timeline(workflow(created_at=0, started_at=0, attempt_at=0, completed_at=3000 + day), [step(1, 1000), step(2, 1000 + day), step(3, 3000 + day)], [], 2 * day)
    assert line.scale.folds == ()


def test_what_is_not_recorded_yet_may_be_running():
    """The attempt is open, so the time since its last step is a step's, and is not folded."""
    hour = 3_600_000
    line = timeline.timeline(workflow(status="running", created_at=0, started_at=0, attempt_at=0, worker="w"), [step(1, 1000)], [], hour)
    assert line.scale.folds == () and [(bar.name, bar.begin, bar.end, bar.is_open) for bar in line.bars][-1] == ("running", 1000, hour, True)


def test_only_times_in_which_no_step_runs_are_folded():
    """Of 2,000 random histories: no fold touches a step, nor a time of an attempt that is not a wait's; and places never go back."""
    chance = random.Random(16)
    folded = 0
    for _ in range(2000):
        now, steps, failures, waits, attempts = chance.choice((0, 10, 100_000)), [], [], [], []
        created, started, at = 0, now, now
        for attempt in range(1, chance.randint(1, 4) + 1):
            claimed = at
            for _ in range(chance.randint(0, 4)):
                kind = chance.choice(("step", "step", "sleep"))
                length = chance.choice((0, 1, 50, 2000, 10_000_000))
                if kind == "sleep":
                    waits.append((at, at + length))
                    steps.append(step(len(steps) + 1, at + length, kind=kind, begun=at, attempt=attempt))
                else:
                    steps.append(step(len(steps) + 1, at + length, attempt=attempt))
                at += length
            at += chance.choice((0, 30, 500_000))
            attempts.append((claimed, at))
            failures.append(one.Failure(attempt, attempt, None, "w", '{"type": "E"}', at, claimed))
            at += chance.choice((0, 1000, 50_000_000))  # the backoff
        failures.pop()
        end = attempts[-1][1]
        w = workflow(created_at=created, started_at=started, attempt_at=attempts[-1][0], completed_at=end, attempt=len(attempts))
        line = timeline.timeline(w, steps, failures, end + 5)
        folded += len(line.scale.folds)
        for fold in line.scale.folds:
            assert fold.begin < fold.end and fold.at < fold.to
            for begin, finish in attempts:
                inside = [(max(begin, fold.begin), min(finish, fold.end))]
                for a, b in inside:
                    if a < b:  # within an attempt: all of it is waits
                        covered = sum(min(b, y) - max(a, x) for x, y in waits if min(b, y) > max(a, x))
                        assert covered == b - a, (fold, begin, finish, waits)
        moments = sorted({each for bar in line.bars for each in (bar.begin, bar.end)} | {0, end})
        places = [line.scale.place(each) for each in moments]
        assert places == sorted(places) and 0 <= places[0] and places[-1] <= 1 + 1e-9
    assert folded > 500


# Drawings


def graph_of(count, seed):
    chance = random.Random(seed)
    nodes = []
    for i in range(count):
        after = tuple(f"n{k}" for k in sorted(chance.sample(range(i), min(i, chance.choice((0, 1, 1, 2, 5))))))
        nodes.append(drawing.Node(f"n{i}", "sql", 'SELECT "<&>"', after, chance.random() < 0.2, False, False, chance.choice(("", "done", "2 of 7"))))
    return drawing.Graph("g", 1, None, nodes)


@pytest.mark.parametrize("count", [0, 1, 2, 30, 500])
def test_a_drawing_goes_down_and_nothing_overlaps(count):
    drawn = graph_of(count, count)
    rows = drawing.layers(drawn.nodes)
    assert sorted(i for row in rows for i in row) == list(range(count))
    depth = {drawn.nodes[i].name: y for y, row in enumerate(rows) for i in row}
    assert all(depth[name] < depth[node.name] for node in drawn.nodes for name in node.after)
    import xml.etree.ElementTree as ET

    made = ET.fromstring(drawing.svg(drawn))
    corners = [(float(each.get("x")), float(each.get("y"))) for each in made.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(set(corners)) == count
    rows_of = {}
    for x, y in corners:
        rows_of.setdefault(y, []).append(x)
    width = float(made.get("width"))
    for row in rows_of.values():
        row.sort()
        assert row[0] >= 0 and row[-1] + 200 <= width and all(b - a >= 200 for a, b in zip(row, row[1:]))
    # A line passes the boxes of the rows between its ends: it has a straight piece beside them, one in each of these rows.
    edges = [(depth[node.name] - depth[name], node.name) for node in drawn.nodes for name in node.after]
    lines = [each.get("d") for each in made.iter("{http://www.w3.org/2000/svg}path") if each.get("class") == "edge"]
    for (span, _), line in zip(edges, lines, strict=True):
        passed = [(float(x), float(y)) for x, y in re.findall(r" ([\d.]+) ([\d.]+)v46", line)]
        assert len(passed) == span - 1
        assert all(0 < x < width and not any(left <= x <= left + 200 for left in rows_of[y]) for x, y in passed)
    assert len(list(made.iter("{http://www.w3.org/2000/svg}path"))) == sum(len(node.after) for node in drawn.nodes) + 1  # and the head of the arrows
    text = drawing.dot(drawn)
    assert len(re.findall(r"^  s\d+ \[label=", text, re.M)) == count and text.count(" -> ") == sum(len(node.after) for node in drawn.nodes)


def test_what_goes_in_a_circle_is_drawn_all_the_same():
    """No definition does, but a file that was changed by hand may hold one."""
    nodes = [drawing.Node(name, "sql", "", after, False, False, False, "") for name, after in (("a", ("b",)), ("b", ("a",)), ("c", ("nowhere",)))]
    assert sorted(i for row in drawing.layers(nodes) for i in row) == [0, 1, 2] and drawing.svg(drawing.Graph("g", None, None, nodes))


def test_states_are_those_of_the_workflow(tmp_path):
    shop(tmp_path / "app.db").db.close()
    with files.open_file(str(tmp_path / "app.db")) as file:
        assert [(node.name, node.after, node.state) for node in drawing.graph(file.connection, "fulfil-1").nodes] == [
            ("pick", (), "done"), ("pack", ("pick",), "waiting"), ("cool", ("pick",), "waiting"), ("approved", ("pack", "cool"), "planned"),
        ]  # fmt: skip
        assert {node.state for node in drawing.graph(file.connection, "fulfil").nodes} == {""}
        assert drawing.graph(file.connection, "refund-7") is None and drawing.mermaid(file.connection, "refund-7") is None


def test_times():
    assert files.to_millis("2027-01-15 08:00:00.250") == NOW * 1000 + 250 and files.to_sql_time(NOW * 1000 + 250) == "2027-01-15 08:00:00.250"
    assert files.to_millis(None) is None and files.to_millis("soon") is None


def test_paths_of_every_kind(tmp_path):
    """What a URI gives a meaning to, in a name; and a name that is no UTF-8."""
    for name in ("a b.db", "what?mode=rwc&x=#1%41.db", "日本.db", "back\\slash.db", "n\udcff.db"):
        path = str(tmp_path / name)
        with files.open_file(path, write=True, create=True) as file:
            file.connection.execute("SELECT wf_start('job')").fetchall()
        with files.open_file(path) as file:
            assert overview.live(file.connection) == 1
        assert files.find_files([path]) == [path]
    assert len(list(tmp_path.iterdir())) == 5


def test_a_reason_that_was_not_looked_up_says_so(connection, monkeypatch):
    numbers = [row.seq for row in lists.list_workflows(connection, Filter(status=("pending",)), limit=3).rows]
    ready = dict.fromkeys(numbers, "ready")
    assert lists.reasons_of(connection, numbers) == ready
    assert lists.reasons_of(connection, [1]) == {}  # it has ended
    # All at once took too long: one by one.
    real, asked = files.limited, []

    def limited(connection, *given):
        asked.append(given)
        return real(connection, -1) if len(asked) == 1 else real(connection, 60)

    monkeypatch.setattr(files, "_STEPS", 1)
    monkeypatch.setattr(lists, "limited", limited)
    assert lists.reasons_of(connection, [*numbers, 1], seconds=60) == ready and len(asked) == 5
    asked.clear()
    assert lists.reasons_of(connection, numbers, seconds=0) == dict.fromkeys(numbers, lists.NOT_LOOKED_UP) and len(asked) == 1


def test_a_portion_is_as_wide_as_its_time_allows(connection, monkeypatch):
    """Whatever a workflow takes to be looked at, and where that changes in the middle."""
    taken = []

    def take(self, low, limit, into):
        whole = low > 0 or self.at < 5000  # (nothing is found at once)
        cost = 20e-6 if self.at > 2_000_000 else 400e-6 if self.at > 1_000_000 else 2e-6
        self.took = (self.at - low) * cost
        if whole and self.took > files.PORTION_SECONDS:
            self.took, whole = files.PORTION_SECONDS, False
        if whole:
            self.at = low
        taken.append((self.took, self.at))
        return whole

    monkeypatch.setattr(lists.Scan, "_take", take)
    scan = lists.Scan(connection, Filter(worker="nobody"), "w.seq", 3_000_000, float("inf"))
    assert scan.rows(50) == [] and scan.complete
    ended = [at for took, at in taken if took >= files.PORTION_SECONDS and at < 3_000_000]
    assert len(ended) <= 2 and all(abs(at - 2_000_000) < 4096 for at in ended)  # where it became dear, and nowhere else
    assert sum(took for took, _ in taken) / len(taken) > 0.95 * lists.AIM_SECONDS  # as few of them as may be
