"""wfext worker module:app -p 4: worker processes of an app."""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import signal
import sys
import time
from typing import Any

from .app import App
from .definitions import seconds


def find_app(text: str) -> App:
    """The App of `module:name`, from the folder in which the command is given. Raises SystemExit with a message where there is none."""
    module, _, name = text.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), name or "app")
    except (ImportError, AttributeError) as error:
        raise SystemExit(f"wfext: {text}: {error}") from error
    if not isinstance(found, App):
        raise SystemExit(f"wfext: {text} is {type(found).__name__}, not wfext.App")
    return found


def _work(text: str, options: dict[str, Any]) -> None:
    find_app(text).run(**options)


def _processes(text: str, options: dict[str, Any], count: int) -> int:
    """Spawns `count` workers; one that dies is started again after a second. Ends with all of them on SIGTERM and SIGINT."""
    context = multiprocessing.get_context("spawn")
    stopping = False

    def stop(*_: Any) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)

    def start() -> Any:
        process = context.Process(target=_work, args=(text, options))
        process.start()
        return process

    workers = [start() for _ in range(count)]
    while not stopping:
        time.sleep(0.2)
        for i, worker in enumerate(workers):
            if not stopping and not worker.is_alive():
                print(f"wfext: a worker has ended with code {worker.exitcode}, another is started", file=sys.stderr)
                time.sleep(1)
                workers[i] = start()
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()
    return 0


def _grace(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return seconds(text, "--grace")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="wfext", description="Durable workflows in a SQLite file.")
    commands = parser.add_subparsers(dest="command", required=True)
    worker = commands.add_parser("worker", help="run the workflows of an app until SIGTERM")
    worker.add_argument("app", help="module:name of the wfext.App")
    worker.add_argument("-p", "--processes", type=int, default=1, help="worker processes (default 1)")
    worker.add_argument("--concurrency", type=int, default=8, help="workflows of plain code at once in a process (default 8)")
    worker.add_argument("--async-concurrency", type=int, default=200, help="async workflows at once in a process (default 200)")
    worker.add_argument("--grace", type=_grace, default=10, help="how long plain code has to come to an end: seconds, or a text such as 30s (default 10)")
    worker.add_argument("--queues", nargs="+", metavar="NAME", help="only these queues (default: those of the app's workflows)")
    worker.add_argument("--workflows", nargs="+", metavar="NAME", help="only these workflows")
    worker.add_argument("--versions", nargs="+", metavar="VERSION", help="only workflows of these versions, and those without one")
    commands.add_parser("path", help="print the path of the extension, for .load and load_extension()")
    given = parser.parse_args(arguments)
    if given.command == "path":
        from .loading import loadable_path

        print(loadable_path())
        return 0
    options = {"concurrency": given.concurrency, "async_concurrency": given.async_concurrency, "grace": given.grace}
    options |= {name: getattr(given, name) for name in ("queues", "workflows", "versions")}
    if given.processes == 1:
        _work(given.app, options)
        return 0
    if given.processes < 1:
        parser.error(f"-p {given.processes}: at least 1")
    find_app(given.app)
    return _processes(given.app, options, given.processes)


if __name__ == "__main__":
    sys.exit(main())
