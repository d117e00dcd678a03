"""The transaction of a step that writes rows of the application's."""

from __future__ import annotations

import re
from typing import Any

from .errors import Error

_first_word = re.compile(r"(?:\s|;|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)


class Transaction:
    """The transaction that a function runs in. Its statements and the record of the step commit together."""

    _control = ("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE")

    def __init__(self, connection: Any):
        self._connection: Any = connection

    def _use(self, sql: str) -> Any:
        if self._connection is None:
            raise Error("this transaction has ended")
        word = _first_word.match(sql)
        if word and word[1].upper() in self._control:
            raise Error(f"{word[1]} in a transaction of a step: it is begun and ended around the function")
        if not self._connection.in_transaction:
            raise Error("the transaction was rolled back by one of its statements")
        return self._connection

    def execute(self, sql: str, params: Any = ()) -> Any:
        """A cursor, as of the driver's connection.execute()."""
        return self._use(sql).execute(sql, params)

    def executemany(self, sql: str, rows: Any) -> Any:
        return self._use(sql).executemany(sql, rows)

    def _end(self) -> None:
        self._connection = None
