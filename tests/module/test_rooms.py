"""The folders of ext/ are rooms on floors: an #include points down, and no two files of a room need each other."""
import re
from pathlib import Path

EXT = Path(__file__).parents[2] / "ext"
# Each may use those behind it. Rooms of one floor do not know each other.
FLOORS = [{"."}, {"tables"}, {"functions"}, {"scripts", "schedules"}, {"engine"}, {"base"}]
# The version of the extension, two constants.
ANYBODY = {"version.h"}


def floor(room):
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def includes():
    """(file, included file), below ext/; what is found nowhere there is generated or the system's."""
    found = []
    for file in sorted(EXT.rglob("*")):
        if file.suffix in (".h", ".cpp"):
            for name in re.findall(r'^\s*#\s*include "([^"]+)"', file.read_text(), re.M):
                if (EXT / name).exists():
                    found.append((file.relative_to(EXT), Path(name)))
    return found


def room(path):
    return str(path.parent)


def test_every_folder_has_a_floor():
    assert {room(p.relative_to(EXT)) for p in EXT.rglob("*.cpp")} == set().union(*FLOORS)


def test_includes_point_down():
    arrows = includes()
    assert len(arrows) > 100
    wrong = [f"{a} -> {b}" for a, b in arrows
             if str(b) not in ANYBODY and room(a) != room(b) and floor(room(a)) >= floor(room(b))]
    assert not wrong, wrong


def test_no_files_of_a_room_go_round_in_a_circle():
    """A header and its source count as one."""
    needs = {}
    for a, b in includes():
        if room(a) == room(b) and a.with_suffix("") != b.with_suffix(""):
            needs.setdefault(str(a.with_suffix("")), set()).add(str(b.with_suffix("")))
    done = set()

    def walk(file, path):
        assert file not in path, " -> ".join([*path[path.index(file):], file])
        if file not in done:
            for other in sorted(needs.get(file, ())):
                walk(other, [*path, file])
            done.add(file)

    for file in sorted(needs):
        walk(file, [])


def test_the_engine_says_nothing_of_the_rooms_above_it():
    """Not even by name: they bring what it needs of them (engine/above.h)."""
    words = re.compile(r"\bscripts?/|\bschedules?/|kScripts|kSchedules|\bSql::(run|definition|explain|schedule)_|\bDefinition\b|\bwf_(run|define|schedule)\b")
    said = [f"{file.relative_to(EXT)}: {line.strip()}" for file in sorted((EXT / "engine").iterdir())
            for line in file.read_text().splitlines() if words.search(line)]
    assert not said, said


# ---- SQL: each statement stands in the room, and under the name, of a file that uses it -----------------------------------

SQL = EXT.parent / "sql"
# Not of one file: transactions, the tables, and parts of statements.
OF_A_ROOM = {"base/base.sql", "base/schema.sql", "base/fragments.sql"}
# Of the engine, but the wrapper of the connection prepares it in a way of its own: it runs outside of any savepoint (base/db.h).
OF_TWO_ROOMS = {"start_plain", "step_record", "step_record_by_id", "complete_plain"}


def statements():
    """(file below sql/, name)."""
    return [(str(file.relative_to(SQL)), name) for file in sorted(SQL.rglob("*.sql"))
            for name in re.findall(r"^-- name: (\w+)", file.read_text(), re.M) if not name.startswith(("schema_", "fragment_"))]


def users():
    """Name of a statement: the files below ext/ that say it."""
    found = {}
    for file in sorted(EXT.rglob("*")):
        if file.suffix in (".h", ".cpp"):
            for name in re.findall(r"\bSql::(\w+)", file.read_text()):
                found.setdefault(name, set()).add(file.relative_to(EXT))
    return found


def test_every_statement_is_used():
    used = users()
    assert len(statements()) > 200
    tables = re.findall(r'"_wf_(\w+)"', (EXT / "base" / "no_rows.cpp").read_text())
    scripts = [name for _, name in statements() if name.startswith("script_") and not name.startswith("script_drop_")]
    assert [*scripts, "script_close_hook"] == ["script_" + table for table in tables]  # no_rows.cpp names the tables, in this order
    assert not [name for _, name in statements() if name not in used and name not in scripts]


def test_a_statement_is_used_by_its_own_room_or_from_above():
    used = users()
    wrong = [f"{name} of sql/{file} in ext/{user}" for file, name in statements() for user in used.get(name, ())
             if name not in OF_TWO_ROOMS and room(user) != room(Path(file)) and floor(room(user)) >= floor(room(Path(file)))]
    assert not wrong, wrong


def test_a_statement_stands_under_the_name_of_a_file_that_uses_it():
    """Of its own room, as far as that uses it itself; those of claim_order.cpp may stand in claim.sql."""
    used, wrong = users(), []
    for file, name in statements():
        own = {str(user.with_suffix("")) for user in used.get(name, ()) if room(user) == room(Path(file))}
        stem = file.removesuffix(".sql")
        if file not in OF_A_ROOM and own and not any(user == stem or user.startswith(stem + "_") for user in own):
            wrong.append(f"{name} stands in sql/{file}, but is used in {', '.join(sorted(own))}")
    assert not wrong, "\n".join(wrong)


# ---- The map: whoever comes new finds the files of a function by its name ------------------------------------------------

def mapped():
    """(function, its door, its rule) of the table in CONTRIBUTING.md, files below ext/."""
    page = (EXT.parent / "CONTRIBUTING.md").read_text()
    return [(function, f"functions/{door}", rule)
            for functions, door, rule in re.findall(r"^\| ((?:`wf_\w+` ?)+) \| `([\w.]+)` \| `([\w./]+)` \|$", page, re.M)
            for function in re.findall(r"`(\w+)`", functions)]


def test_the_map_names_every_function_once():
    registry = re.findall(r'^    \{"(wf_\w+)"', (EXT / "functions/registry.cpp").read_text(), re.M)
    assert len(registry) > 40
    assert sorted(function for function, _, _ in mapped()) == sorted(registry)


def test_the_map_leads_to_the_files_of_a_function():
    needs = {}
    for a, b in includes():
        needs.setdefault(str(a), set()).add(str(b))

    def reached(file, seen):
        for other in needs.get(file, set()) - seen:
            seen.add(other)
            reached(other, seen)
        return seen

    for function, door, rule in mapped():
        assert f"Status {function}(Call& " in (EXT / door).read_text(), f"{function} is not in {door}"
        assert (EXT / rule).exists(), f"{rule} of {function} does not exist"
        assert str(Path(rule).with_suffix(".h")) in reached(door, set()), f"{door} does not use {rule} for {function}"


def test_no_bound_value_is_a_limit_by_itself():
    """SQLite 3.47 and later plans by the value of `LIMIT :n`, and compiles the statement anew each time that one is bound. `LIMIT +:n` is not looked at."""
    bare = [f"{file.name}: {line}" for file in (EXT.parent / "sql").rglob("*.sql") for line in file.read_text().splitlines()
            if re.search(r"(LIMIT|OFFSET)\s+[:@$?](?!\w* - 1)", line)]
    assert not bare, bare


def test_a_claim_is_not_compiled_anew_for_other_values():
    """SQLite 3.54 looks whether a bound value that a column is compared with is 0 or 1, and then compiles the statement for each next one: half of the time of a job."""
    text = (EXT.parent / "sql/engine/claim_order.sql").read_text()
    text += re.search(r"-- name: claim_row\n(.*?)\n\n", (EXT.parent / "sql/engine/claim.sql").read_text(), re.S)[1]
    assert not re.findall(r"\b(?:lane|queue|kind|priority|partition|w\.seq) = :\w+", text.replace("limited = :queue", ""))
