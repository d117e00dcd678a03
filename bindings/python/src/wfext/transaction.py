"""The transaction of a step that writes rows of the application's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .errors import Error, blames_the_machine

_first_word = re.compile(r"(?:\s|;|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)


class FunctionFailed(Exception):
    """The function of a transaction has raised: its failure, whatever it was about."""

    def __init__(self, error: Exception):
        self.error = error
        super().__init__("the function of a transaction has failed")  # and not its text: that of an error of the engine's would be taken for one of the package's own call


class Transaction:
    """The transaction that a function runs in. Its statements and the record of the step commit together."""

    _control = ("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE")

    def __init__(self, connection: Any):
        self._connection: Any = connection
        self._met: list[BaseException] = []  # errors of the machine, of statements that use the file of the transaction

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
        return self._run(sql, lambda connection: connection.execute(sql, params))

    def executemany(self, sql: str, rows: Any) -> Any:
        return self._run(sql, lambda connection: connection.executemany(sql, rows))

    def _run(self, sql: str, statement: Callable[[Any], Any]) -> Any:
        connection = self._use(sql)
        try:
            return statement(connection)
        except Exception as error:
            word = _first_word.match(sql)
            if blames_the_machine(error) and not (word and word[1].upper() == "ATTACH"):
                self._met.append(error)
            raise

    def _has_met(self, error: BaseException) -> bool:
        """Whether the machine has failed this transaction, and not the function: another try may come through."""
        return any(error is each or error.__cause__ is each for each in self._met)

    def _end(self) -> None:
        self._connection = None
