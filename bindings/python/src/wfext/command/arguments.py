"""What may be said to the command."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from .. import __version__

STATUSES = ("pending", "running", "waiting", "paused", "completed", "failed", "cancelled", "live")

# In which module the function of a command is.
HOMES = {
    "reading": "status ls show steps errors queues schedules definitions explain doctor check fleet",
    "following": "watch top",
    "writing": "start signal emit cancel pause resume retry fork resolve reschedule delete purge run",
    "moving": "export import",
    "serving": "worker ui mcp path",
}


_MOST = 2**63 - 1  # what a column holds


def _positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"{text}: at least 1" + (f", at most {_MOST}" if number > 0 else ""))
    return number


def _whole(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"{text}: from 0 to {_MOST}")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text}: a port, from 0 to 65535")
    return number


def _timeout(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 86400:
        raise argparse.ArgumentTypeError(f"{text}: seconds, from 0 to 86400")
    return number


def _pair(text: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not key or not found:
        raise argparse.ArgumentTypeError(f"{text}: key=value")
    return key, value


def _common(command: argparse.ArgumentParser, has_file: bool) -> None:
    command.add_argument("--json", action="store_true", help="for programs: JSON, times in UTC")
    if not has_file:
        return
    command.add_argument("--timeout", type=_timeout, default=5.0, metavar="SECONDS", help="how long to wait for a lock of the file (default 5)")


def _filter(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("which workflows")
    group.add_argument("--status", action="append", choices=STATUSES, metavar="STATUS", help=f"one of {', '.join(STATUSES)}; may be repeated")
    group.add_argument("--name", help="of this name")
    group.add_argument("--queue", help="of this queue")
    group.add_argument("--version", help="of this version")
    group.add_argument("--worker", help="that this worker had last")
    group.add_argument("--prefix", metavar="TEXT", help="whose id begins so")
    group.add_argument("--tag", metavar="KEY=VALUE", help="with this tag")
    group.add_argument("--error", metavar="GROUP", help="with an error of this group, as `wfext errors` names it")
    group.add_argument("--since", metavar="TIME", help="started since: 30m, 7d (so long ago), or 2026-11-23T10:00")


class _Help(argparse.HelpFormatter):
    def __init__(self, prog: str):
        given = os.environ.get("COLUMNS", "")
        super().__init__(prog, width=int(given) if given.isdigit() else 110)  # (argparse would import shutil to ask the terminal, for every argument)

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += self._indent_increment  # (argparse forgets that commands stand further in, and breaks the line behind the longest ones)


class _Nowhere:
    """Takes what is said of a command that was not given."""

    def add_argument(self, *_: Any, **__: Any) -> None:
        pass


class _Commands:
    def __init__(self, adder: Any, only: str | None):
        self.adder = adder
        self.only = only

    def add(self, name: str, help: str, *, file: str | None = "+", filters: bool = False) -> Any:
        """A command; `file`: how many files it is about ('+', 'one', None)."""
        if self.only not in (None, name):
            return _Nowhere()
        command: argparse.ArgumentParser = self.adder.add_parser(name, help=help, formatter_class=_Help, description=help[0].upper() + help[1:] + ".")
        if file == "+":
            command.add_argument("file", nargs="+", help="the database file; several, or a pattern such as 'agents/*.db'")
        elif file is not None:
            command.add_argument("file", help="the database file")
        _common(command, file is not None)
        if filters:
            _filter(command)
        return command

    def bulk(self, name: str, help: str) -> Any:
        """A command on ids, or on all that match a filter."""
        command = self.add(name, help + "; by ids, or all that match a filter", file="one", filters=True)
        command.add_argument("id", nargs="*", help="ids of workflows")
        command.add_argument("--all", action="store_true", help="all of the file, where no filter is given")
        command.add_argument("-y", "--yes", action="store_true", help="do not ask")
        return command


# Positional arguments that may come behind options: argparse gives them up there.
OPTIONAL = {"start": "input", "signal": "payload", "emit": "payload", "resolve": "value", "steps": "step", "watch": "id", "import": "documents"}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """What was said. Raises SystemExit(2) with a message for what cannot be."""
    first = next(iter(sys.argv[1:] if arguments is None else arguments), None)
    reader = parser(first if any(first in names.split() for names in HOMES.values()) else None)
    given, left = reader.parse_known_args(arguments)
    words = [word for word in left if word == "-" or not word.startswith("-")]
    name = OPTIONAL.get(given.command)
    if left and len(words) == len(left):
        if isinstance(getattr(given, "id", None), list):
            given.id += left
            left = []
        elif name is not None and len(left) == 1 and getattr(given, name) in (None, reader_default(name)):
            setattr(given, name, left[0])
            left = []
    if left:
        reader.error(f"unrecognized arguments: {' '.join(left)}")
    return given


def reader_default(name: str) -> str | None:
    return "-" if name == "documents" else None


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands, or of one: making all of them takes as long as a query."""
    top = argparse.ArgumentParser(
        prog="wfext", formatter_class=_Help, description="Durable workflows in a SQLite file: what runs, what is stuck and why, and what to do about it.",
        epilog="Exit codes: 0 done, 1 not found, 2 wrong usage, 3 the file is locked, 4 the engine (or SQLite) refuses.",
    )  # fmt: skip
    top.add_argument("--version", action="version", version=f"wfext {__version__}")
    commands = _Commands(top.add_subparsers(dest="command", required=True, metavar="COMMAND", prog="wfext"), only)
    _reading(commands)
    _writing(commands)
    _rest(commands)
    return top


def _reading(commands: _Commands) -> None:
    commands.add("status", "what is live, the queues, and what fails")
    c = commands.add("ls", "workflows, newest first, and why they do not run", filters=True)
    c.add_argument("-n", "--limit", type=_positive, default=50, help="at most so many (default 50)")
    c.add_argument("--before", type=_positive, metavar="N", help="the next page: what the one before said")
    c = commands.add("show", "one workflow: its state, why, and a timeline")
    c.add_argument("id", help="its id")
    c.add_argument("-n", "--limit", type=_positive, default=30, help="its last so many steps (default 30)")
    c = commands.add("steps", "the steps of a workflow, in parts", file="one")
    c.add_argument("id", help="its id")
    c.add_argument("step", nargs="?", help="this one alone, with all of its output")
    c.add_argument("-n", "--limit", type=_positive, default=500, help="at most so many (default 500)")
    c.add_argument("--after", type=_whole, default=0, metavar="N", help="those after number N")
    commands.add("errors", "failed workflows, in groups of one error", filters=True)
    c = commands.add("watch", "follow a workflow, or a list, as it changes", file="one", filters=True)
    c.add_argument("id", nargs="?", help="a workflow; without: those that match, and what happens to them")
    c.add_argument("--interval", type=_timeout, default=1.0, metavar="SECONDS", help="how often to look (default 1)")
    c.add_argument("--for", type=_timeout, dest="duration", metavar="SECONDS", help="no longer than this")
    c = commands.add("top", "the status, again and again")
    c.add_argument("--interval", type=_timeout, default=2.0, metavar="SECONDS", help="how often (default 2)")
    c.add_argument("--count", type=_positive, help="so many times; default until Ctrl-C")
    c = commands.add("queues", "queues: figures, limits; pause one, or let it go on")
    c.add_argument("--pause", metavar="QUEUE", help="pause this queue")
    c.add_argument("--resume", metavar="QUEUE", help="let this queue go on")
    c = commands.add("schedules", "schedules: next and last firing; pause or fire one")
    c.add_argument("--pause", metavar="NAME", help="pause this schedule")
    c.add_argument("--resume", metavar="NAME", help="let this schedule go on")
    c.add_argument("--fire", metavar="NAME", help="fire this schedule now")
    c = commands.add("definitions", "workflows that are scripted in SQL")
    c.add_argument("--all", action="store_true", help="all versions, not the current ones alone")
    c = commands.add("explain", "a definition or a scripted workflow as a plan or a drawing; any other workflow: why it does not run", file="one")
    c.add_argument("what", help="name of a definition, or id of a workflow")
    for form in ("svg", "dot", "mermaid"):
        c.add_argument(f"--{form}", metavar="FILE", help=f"write it as {form} to this file, - for the output")
    commands.add("doctor", "whether the file is set up well")
    c = commands.add("check", "whether the file is sound: reads all of it")
    c.add_argument("--integrity", choices=("full", "quick", "none"), default="full", help="SQLite's own check (default full)")
    c = commands.add("fleet", "many files, one a row")
    c.add_argument("--index", metavar="FILE", help="keep what was seen in this file, and look only into those that have changed since")


def _writing(commands: _Commands) -> None:
    c = commands.add("start", "start a workflow; prints its id", file="one")
    c.add_argument("name", help="name of the workflow")
    c.add_argument("input", nargs="?", help="its input, JSON; - reads it from the input")
    c.add_argument("--id")
    c.add_argument("--queue")
    c.add_argument("--priority", type=int)
    c.add_argument("--delay", metavar="DURATION", help="30s, 2h ...")
    c.add_argument("--at", metavar="TIME")
    c.add_argument("--deadline", metavar="DURATION", help="the engine's option timeout: fail it if it has not ended then")
    c.add_argument("--max-attempts", type=int)
    c.add_argument("--version")
    c.add_argument("--partition")
    c.add_argument("--dedup", metavar="KEY")
    c.add_argument("--if-exists", choices=("same", "return", "fail", "replace", "restart"))
    c.add_argument("--tag", type=_pair, action="append", metavar="KEY=VALUE")
    c = commands.add("signal", "send a signal to a workflow, or to all that match a filter", file="one", filters=True)
    c.add_argument("id", help="its id; - for all that match the filter")
    c.add_argument("signal", help="name of the signal")
    c.add_argument("payload", nargs="?", help="JSON; - reads it from the input")
    c.add_argument("--key", help="sends it once under this key")
    c.add_argument("-y", "--yes", action="store_true", help="do not ask")
    c = commands.add("emit", "emit an event; prints the payload that stands", file="one")
    c.add_argument("event", help="name of the event")
    c.add_argument("payload", nargs="?", help="JSON; - reads it from the input")
    c = commands.bulk("cancel", "cancel workflows and their children")
    c.add_argument("--reason", help="why")
    c.add_argument("--force", action="store_true", help="at once, without its clean-up")
    commands.bulk("pause", "put workflows aside")
    commands.bulk("resume", "let paused workflows go on")
    c = commands.bulk("retry", "run failed or cancelled workflows again, recorded steps kept")
    c.add_argument("--from", dest="from_step", metavar="STEP", help="do this step and all after it again")
    c.add_argument("--children", choices=("failed",), help="failed children too")
    c.add_argument("--max-attempts", type=int)
    c = commands.add("fork", "start a new workflow with the finished steps of another; prints its id", file="one")
    c.add_argument("id", help="the other one's id")
    c.add_argument("--from", dest="from_step", metavar="STEP", help="with the steps before this one")
    c.add_argument("--new-id", metavar="ID")
    c.add_argument("--input", metavar="JSON")
    c = commands.add("resolve", "settle a step in doubt", file="one")
    c.add_argument("id")
    c.add_argument("step")
    c.add_argument("verdict", choices=("done", "retry", "failed"))
    c.add_argument("value", nargs="?", help="of done its output, of failed the error: JSON")
    c = commands.bulk("reschedule", "make what waits for a time due now, or at another time")
    c.add_argument("--to", metavar="TIME", help="a time such as 2026-11-23T10:00Z; default now")
    c = commands.bulk("delete", "delete workflows that have ended")
    c.add_argument("--force", action="store_true", help="also those that have not")
    c = commands.add("purge", "delete what ended long ago", file="one")
    c.add_argument("--older-than", metavar="DURATION", help="30d, 12h ...")
    c.add_argument("--keep", type=_whole, metavar="N", help="the newest N stay")
    c.add_argument("--status", action="append", choices=("completed", "failed", "cancelled"))
    c.add_argument("--name")
    c.add_argument("--queue")
    c.add_argument("--events", action="store_true", help="events of that age, too")
    c.add_argument("-y", "--yes", action="store_true", help="do not ask")
    c = commands.add("run", "advance workflows that are scripted in SQL; prints how many steps", file="one")
    c.add_argument("--id", help="this one alone")
    c.add_argument("--queue", action="append", help="of this queue alone; may be repeated")
    c.add_argument("--limit", type=_positive, help="at most so many steps")
    c.add_argument("--every", type=_timeout, metavar="SECONDS", help="again and again, until SIGTERM")


def _rest(commands: _Commands) -> None:
    c = commands.add("export", "workflows as JSON documents, one a line", file="one", filters=True)
    c.add_argument("id", nargs="*", help="ids of workflows")
    c.add_argument("--all", action="store_true", help="all of the file")
    c.add_argument("-o", "--output", metavar="FILE", help="default the output")
    c = commands.add("import", "make workflows of such documents; they arrive paused", file="one")
    c.add_argument("documents", nargs="?", default="-", help="a file with a document in each line; - (default) the input")
    c = commands.add("ui", 'the page, in a browser (pip install "wfext[ui]")')
    c.add_argument("--write", action="store_true", help="with its buttons")
    c.add_argument("--host", default="127.0.0.1")
    c.add_argument("--port", type=_port, default=8484, help="default 8484; 0: a free one")
    c.add_argument("--hosts", nargs="+", default=[], metavar="NAME", help="names by which browsers of other machines reach it")
    c.add_argument("--log", metavar="FILE", help="append actions to this file")
    c.add_argument("--auth", metavar="MODULE:FUNCTION", help="says who may see it, and who may act, in place of the token: wfext.ui.app's auth")
    c = commands.add("mcp", 'the file for an assistant, by the Model Context Protocol on input and output (pip install "wfext[mcp]")', file="one")
    c.add_argument("--write", action="store_true", help="also start, signal, resolve, retry, cancel, pause and resume")
    c = commands.add("worker", "run the workflows of an app until SIGTERM", file=None)
    c.add_argument("app", help="module:name of the wfext.App")
    c.add_argument("-p", "--processes", type=int, default=1, help="worker processes (default 1)")
    c.add_argument("--concurrency", type=int, default=8, help="workflows of plain code at once in a process (default 8)")
    c.add_argument("--async-concurrency", type=int, default=200, help="async workflows at once in a process (default 200)")
    c.add_argument("--grace", default="10", help="how long plain code has to come to an end: seconds, or a text such as 30s (default 10)")
    c.add_argument("--queues", nargs="+", metavar="NAME", help="only these queues (default: those of the app's workflows)")
    c.add_argument("--workflows", nargs="+", metavar="NAME", help="only these workflows")
    c.add_argument("--versions", nargs="+", metavar="VERSION", help="only workflows of these versions, and those without one")
    commands.add("path", "print the path of the extension, for .load and load_extension()", file=None)
