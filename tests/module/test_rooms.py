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
    words = re.compile(r"\bscripts?/|\bschedules?/|kScripts|kSchedules|\bSql::(run|definition|explain|schedule)_|\b[Dd]efinition\b|\bwf_(run|define|schedule)\b")
    said = [f"{file.relative_to(EXT)}: {line.strip()}" for file in sorted((EXT / "engine").iterdir())
            for line in file.read_text().splitlines() if words.search(line)]
    assert not said, said


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
