"""Workflows out of a file and into one, as documents of wf_export, one a line."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sqlite3
import sys
from collections.abc import Iterator
from typing import IO

from ..view import actions, lists
from . import report
from .opening import OK, Missing, Usage, complain, filter_of, one_file, write_to
from .shown import Progress, plural


def export(given: argparse.Namespace) -> int:
    with one_file(given, write=False) as file, contextlib.ExitStack() as stack:
        wanted = filter_of(given, file)
        if bool(given.id) == bool(wanted or given.all):
            raise Usage("say which workflows: ids, or a filter (--status, --name ...), or --all")
        out: IO[str] | None = None if given.output and given.output != "-" else sys.stdout  # (the file that is there stays until there is something for it)
        count = 0
        bar = Progress("export", None)
        before: int | None = None
        while True:
            ids, before = (list(given.id), None) if given.id else lists.matching_ids(file.connection, wanted, before=before)
            for id in ids:
                document = actions.call(file.connection, "SELECT wf_export(?)", id)
                if document is None:
                    if given.id:
                        raise Missing(f"there is no workflow {id}")
                    continue  # deleted meanwhile
                out = out or stack.enter_context(write_to(given.output, given.file))
                out.write(_line(document) + "\n")
                count += 1
                bar.to(count)
            if before is None:
                break
        bar.end()
        if out is None:
            stack.enter_context(write_to(given.output, given.file))
    if given.output and given.output != "-":
        if given.json:
            report.emit({"file": given.file, "exported": count, "output": given.output})
        else:
            print(f"{plural(count, 'workflow')} exported")
    return OK


def _line(document: str) -> str:
    """A document in one line that does nothing to a terminal: what is not printable stands in JSON between quotes alone, where its escape means the same. (Reading it would change numbers.)"""
    text = document.replace("\r", " ").replace("\n", " ").replace("\t", " ")
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def import_(given: argparse.Namespace) -> int:
    """Documents in transactions of at most 1,000. What came before one that is refused is there, and may be imported again."""
    with contextlib.ExitStack() as stack:
        source: IO[str] = sys.stdin if given.documents == "-" else stack.enter_context(open(given.documents, encoding="utf-8"))
        file = stack.enter_context(one_file(given, write=True, create=True))
        bar = Progress("import", None)
        count = 0
        documents = _documents(source)
        while part := list(itertools.islice(documents, actions.PORTION)):
            done: list[str] = []
            try:
                _import(file.connection, part, done)
            finally:
                count += len(done)
                bar.to(count)
                if given.json:
                    for id in done:
                        report.emit({"file": given.file, "id": id})
                if len(done) < len(part):
                    bar.end()
                    complain(f"{plural(count, 'workflow')} imported before document {count + 1:,} was refused")
        bar.end()
    if not given.json:
        print(f"{plural(count, 'workflow')} imported; those that have not ended are paused")
    return OK


def _import(connection: sqlite3.Connection, documents: list[str], done: list[str]) -> None:
    """In one transaction, which is committed with those that are in `done`, also where another one is refused."""
    actions.call(connection, "BEGIN IMMEDIATE")
    try:
        made: list[str] = []
        try:
            for each in documents:
                made.append(str(actions.call(connection, "SELECT wf_import(?)", each)))
        finally:
            if connection.in_transaction:
                actions.call(connection, "COMMIT")
                done += made
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _documents(source: IO[str]) -> Iterator[str]:
    """The documents of a text: one a line, or a single one over several lines."""
    for line in source:
        if line.strip():
            break
    else:
        return
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        yield line + source.read()
        return
    yield line
    yield from (each for each in source if each.strip())
