"""Commands that hand over: to workers, to the page, to an assistant."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from . import report
from .opening import OK, USAGE, complain, is_part_of

if TYPE_CHECKING:
    from ..app import App


def path(given: argparse.Namespace) -> int:
    from ..loading import loadable_path

    if given.json:
        report.emit({"path": loadable_path()})
    else:
        print(loadable_path())
    return OK


def _named(text: str) -> Any:
    """The object `module:name`, from the folder in which the command is given. Raises SystemExit with a message where there is none."""
    module, _, name = text.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        if module.startswith("."):  # (relative to a package, and there is none)
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SystemExit(f"wfext: {text}: {error}") from error


def find_app(text: str) -> App:
    """The App of `module:name`, from the folder in which the command is given. Raises SystemExit with a message where there is none."""
    from ..app import App

    module, _, name = text.partition(":")
    try:
        found = _named(f"{module}:{name or 'app'}")
    except SystemExit as error:
        missing = error.__cause__
        # (What a module of this name wants itself, and does not find, is another matter.)
        if isinstance(missing, ModuleNotFoundError) and f"{module}.".startswith(f"{missing.name}.") and os.path.isfile(text):
            raise SystemExit(f"wfext: {text} is a file: say where its App is, module:name") from missing
        raise
    if not isinstance(found, App):
        raise SystemExit(f"wfext: {text} is {type(found).__name__}, not wfext.App")
    return found


def _work(text: str, options: dict[str, Any]) -> None:
    find_app(text).run(**options)


def _processes(text: str, options: dict[str, Any], count: int) -> int:
    """Spawns `count` workers; one that dies is started again after a second. Ends with all of them on SIGTERM and SIGINT."""
    import multiprocessing
    import signal

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


def grace(text: str) -> float:
    """Seconds of --grace. Raises ValueError."""
    from ..definitions import seconds

    try:
        return float(text)
    except ValueError:
        return seconds(text, "--grace")


def worker(given: argparse.Namespace) -> int:
    try:
        options: dict[str, Any] = {"concurrency": given.concurrency, "async_concurrency": given.async_concurrency, "grace": grace(given.grace)}
    except ValueError as error:
        complain(error)
        return USAGE
    options |= {name: getattr(given, name) for name in ("queues", "workflows", "versions")}
    if given.processes < 1:
        complain(f"-p {given.processes}: at least 1")
        return USAGE
    if given.processes == 1:
        _work(given.app, options)
        return OK
    find_app(given.app)
    return _processes(given.app, options, given.processes)


def _missing(error: ImportError, extra: str) -> int:
    complain(f'{error.name or error} is missing: pip install "wfext[{extra}]"')
    return USAGE


def ui(given: argparse.Namespace) -> int:
    from ..view.files import find_files

    files = find_files(given.file)  # what is not there is said at once
    if given.log and is_part_of(given.log, *files):
        complain(f"--log {given.log}: is a file that is shown, and would be written into")
        return USAGE
    try:
        page: Any = importlib.import_module("..ui", __package__)
    except ImportError as error:
        return _missing(error, "ui")
    auth = _named(given.auth) if given.auth else None
    if given.auth and not callable(auth):
        complain(f"--auth {given.auth}: is {type(auth).__name__}, and no function")
        return USAGE
    try:
        page.serve(given.file if len(given.file) > 1 else given.file[0], host=given.host, port=given.port, write=given.write, auth=auth, hosts=given.hosts, log=given.log)
    except ValueError as error:
        complain(error)
        return USAGE
    return OK


def mcp(given: argparse.Namespace) -> int:
    from ..view.files import open_file

    open_file(given.file, write=given.write, timeout=given.timeout).close()  # what is wrong with it is said at once
    try:
        from ..assistant import serve
    except ImportError as error:
        return _missing(error, "mcp")
    serve(given.file, write=given.write, timeout=given.timeout)
    return OK
