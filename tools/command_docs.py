"""Writes what docs/cli.md says of each command out of the command's own parser, and docs/cli.schema.json out of the classes that are printed: `make reference`.

    python3 tools/command_docs.py [--check]
"""

import argparse
import dataclasses
import json
import sys
import types
import typing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bindings/python/src"))

from wfext.command import arguments, report  # noqa: E402
from wfext.view import drawing, errors, fleet, lists, one, overview, tables  # noqa: E402

PAGE, SCHEMA = ROOT / "docs/cli.md", ROOT / "docs/cli.schema.json"
BEGIN, END = "<!-- commands: written by tools/command_docs.py -->", "<!-- end of the commands -->"


def commands():
    """Each command with its parser, in the order of the usage."""
    (subparsers,) = (each for each in arguments.parser()._actions if isinstance(each, argparse._SubParsersAction))
    return subparsers.choices


def cell(text):
    return (text or "").replace("|", "\\|").replace("%%", "%")


def section(name, parser):
    positional = [each for each in parser._actions if not each.option_strings]
    shown = [f"[{each.dest}]" if each.nargs in ("?", "*") else each.dest + (" ..." if each.nargs == "+" else "") for each in positional]
    lines = [f"### {name}", "", f"`wfext {' '.join([name, *shown])}`", "", parser.description, ""]
    rows = []
    for each in parser._actions:
        if isinstance(each, argparse._HelpAction) or any(option in COMMON for option in each.option_strings):
            continue
        if each.option_strings:
            value = "" if each.nargs == 0 else " " + (each.metavar or ("|".join(each.choices) if each.choices else each.dest.upper()))
            rows.append((", ".join(f"`{option}{value}`" if option.startswith("--") else f"`{option}`" for option in each.option_strings), cell(each.help)))
        elif each.dest != "file":
            rows.append((f"`{each.dest}`", cell(each.help or ("one of " + ", ".join(each.choices) if each.choices else ""))))
    rows = [row for row in rows if not any(f"`--{word}" in row[0] for word in FILTER)] if filters(parser) else rows
    if rows:
        lines += ["| | |", "|---|---|", *(f"| {option} | {text} |" for option, text in rows), ""]
    if filters(parser):
        lines += ["And the options of a [filter](#which-workflows).", ""]
    return lines


COMMON = ("--json", "--timeout")
FILTER = ("status", "name", "queue", "version", "worker", "prefix", "tag", "error", "since")


def filters(parser):
    return any("--prefix" in each.option_strings for each in parser._actions)


def page():
    lines = [BEGIN, ""]
    for name, parser in commands().items():
        lines += section(name, parser)
    text = PAGE.read_text()
    head, tail = text[: text.index(BEGIN)], text[text.index(END) :]
    return head + "\n".join(lines) + tail


# The schema


def of_type(hint, name):
    if report.is_time(name) and hint in (int, int | None, typing.Optional[int]):
        return {"anyOf": [{"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}, *([] if hint is int else [{"type": "null"}])]}
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [of_type(each, "") for each in typing.get_args(hint)]}
    if origin in (list, tuple):
        return {"type": "array", "items": of_type(typing.get_args(hint)[0], "")}
    if origin is dict:
        return {"type": "object", "additionalProperties": of_type(typing.get_args(hint)[1], "")}
    if dataclasses.is_dataclass(hint):
        return reference(hint)
    return {} if hint is typing.Any else {"type": {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}[hint]}


def of_class(cls, without=()):
    hints = typing.get_type_hints(cls)
    fields = [each for each in dataclasses.fields(cls) if each.name not in without]
    return whole({each.name: {} if each.type == "Value" else of_type(hints[each.name], each.name) for each in fields})


CLASSES = {}


def reference(cls):
    """The place of the class among the definitions, which it is put into."""
    name = f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}"
    if name not in CLASSES:
        CLASSES[name] = None
        CLASSES[name] = of_class(cls)
    return {"$ref": f"#/$defs/{name}"}


def whole(properties):
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def with_file(properties):
    return whole({"file": {"type": "string"}, **properties})


def many(cls):
    return {"type": "array", "items": reference(cls)}


TEXT, NUMBER, FLAG, NEXT, TIME = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"type": ["integer", "null"]}, of_type(int | None, "at")


def schema():
    """Of a line of each command."""
    status = with_file(of_class(overview.Overview, without=("path",))["properties"])
    changed = with_file({"changed": NUMBER, "looked_at": NUMBER})
    id = with_file({"id": TEXT})
    lines = {
        "status": status,
        "ls": with_file({"workflows": many(lists.Row), "next": NEXT, "complete": FLAG, "looked_to": TIME}),
        "show": with_file({
            "workflow": reference(one.Workflow), "steps": many(one.Step), "failures": many(one.Failure), "signals": many(one.Signal), "values": many(one.NamedValue), "streams": many(one.Stream),
            "children": many(lists.Row),
        }),
        "steps": with_file({"id": TEXT, "steps": many(one.Step), "next": NEXT}),
        "errors": with_file(of_class(errors.Groups)["properties"]),
        "watch": {"anyOf": [with_file({"step": reference(one.Step)}), with_file({"failure": reference(one.Failure)}), with_file({"workflow": {"anyOf": [reference(one.Workflow), reference(lists.Row)]}})]},
        "top": status,
        "queues": with_file({"queues": many(tables.Queue)}),
        "schedules": with_file({"schedules": many(tables.Schedule)}),
        "definitions": with_file({"definitions": many(tables.Definition)}),
        "explain": with_file({"what": TEXT, "graph": {"anyOf": [reference(drawing.Graph), {"type": "null"}]}, "plan": {"type": ["string", "null"]}, "why": {"type": "array", "items": TEXT}}),
        "doctor": with_file({"findings": many(tables.Finding)}),
        "check": with_file({"problems": many(tables.Problem)}),
        "fleet": reference(fleet.FleetFile),
        "start": id,
        "signal": changed,
        "emit": with_file({"event": TEXT, "payload": {}}),
        "fork": id,
        "resolve": with_file({"id": TEXT, "step": TEXT, "verdict": {"enum": ["done", "retry", "failed"]}}),
        **dict.fromkeys(("cancel", "pause", "resume", "retry", "reschedule", "delete", "purge"), changed),
        "run": with_file({"steps": NUMBER}),
        "export": with_file({"exported": NUMBER, "output": TEXT}),
        "import": id,
        "path": whole({"path": TEXT}),
        "error": whole({"error": TEXT, "exit": NUMBER}),
    }  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of `wfext COMMAND --json`, by command; error: what any of them prints when it fails",
        "$defs": {**lines, **dict(sorted(CLASSES.items()))},
    }


def main():
    check = "--check" in sys.argv
    stale = []
    for path, text in ((PAGE, page()), (SCHEMA, json.dumps(schema(), indent=1) + "\n")):
        if path.exists() and path.read_text() == text:
            continue
        if check:
            stale.append(path.name)
        else:
            path.write_text(text)
    if stale:
        sys.exit(f"stale: {', '.join(stale)}: make reference")


if __name__ == "__main__":
    main()
