"""What runs side by side in async code, and the order in which it comes out.

A race (`asyncio.wait(..., FIRST_COMPLETED)`, `as_completed`) has to have the same winner in every replay, and items that branches append to one stream the same places. So ends come one after
the other, in the order in which they were recorded, each once all that the one before has woken has run as far as it can, with the calls that it makes.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")
# Turns of the loop after which what an end wakes has had its turn.
SETTLING_TURNS = 8


class InFlight(Coroutine[Any, Any, T]):
    """The coroutine of a step or a wait, in flight from its call on. `never(dropped)` is called where it ends before it has begun: its task was cancelled, or (dropped) nobody awaits it."""

    __slots__ = ("_coroutine", "_never")

    def __init__(self, coroutine: Coroutine[Any, Any, T], never: Callable[[bool], None]):
        self._coroutine = coroutine
        self._never: Callable[[bool], None] | None = never

    def __await__(self) -> Generator[Any, Any, T]:
        self._never = None
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        self._never = None
        return self._coroutine.send(value)

    def throw(self, *given: Any) -> Any:
        self._ends_unbegun(False)
        return self._coroutine.throw(*given)

    def close(self) -> None:
        self._ends_unbegun(False)
        self._coroutine.close()

    def _ends_unbegun(self, dropped: bool) -> None:
        never, self._never = self._never, None
        if never is not None:
            never(dropped)

    def __del__(self) -> None:
        if self._never is not None:
            self._ends_unbegun(True)
            self._coroutine.close()


class Ends:
    """Those that have ended and have not come out yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rank: Callable[[str], tuple[int, int] | None]):
        self._loop = loop
        self._rank = rank
        self._ready = getattr(loop, "_ready", None)  # what asyncio's own loop is about to run: nothing is left to wait for where that is empty
        self._waiting: list[tuple[tuple[int, int], int, str, asyncio.Future[None]]] = []
        self._arrived = 0
        self._task: asyncio.Task[None] | None = None
        self.is_unknown = False  # whether the ranks have to be read
        self.know: Callable[[], Coroutine[Any, Any, bool]]  # reads them; whether they are others now
        self.is_busy: Callable[[], bool] = lambda: False  # whether a call of what came out last is under way

    def is_idle(self) -> bool:
        return self._task is None or self._task.done()

    async def turn(self, name: str) -> None:
        """Returns when it is its turn to come out."""
        self._arrived += 1
        turn = self._loop.create_future()
        heapq.heappush(self._waiting, (self._ranked(name, self._arrived), self._arrived, name, turn))
        if self.is_idle():
            self._task = self._loop.create_task(self._one_after_the_other())
        await turn

    def _ranked(self, name: str, arrived: int) -> tuple[int, int]:
        return self._rank(name) or (2, arrived)

    async def _one_after_the_other(self) -> None:
        try:
            while True:
                quiet = 0
                while quiet < SETTLING_TURNS:
                    await asyncio.sleep(0)
                    quiet = quiet + 1 if self._ready is None or self._ready else SETTLING_TURNS
                    while self.is_busy():
                        quiet = 0
                        await asyncio.sleep(0.0005)
                if not self._waiting:
                    return
                if len(self._waiting) > 1 and self.is_unknown and await self.know():
                    self._waiting = [(self._ranked(name, arrived), arrived, name, turn) for _, arrived, name, turn in self._waiting]
                    heapq.heapify(self._waiting)
                    continue
                turn = heapq.heappop(self._waiting)[3]
                if not turn.done():
                    turn.set_result(None)
        except Exception as error:
            for *_, turn in self._waiting:
                if not turn.done():
                    turn.set_exception(error)
