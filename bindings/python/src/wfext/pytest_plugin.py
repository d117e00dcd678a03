"""The fixture `wfext_harness` for tests of workflows. Loaded by pytest where this package is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .app import App
    from .testing import Harness


@pytest.fixture
def wfext_harness(tmp_path: Any) -> Iterator[Callable[[App], Harness]]:
    """Puts an app on a new file of the test's own, with a clock that is moved by hand; afterwards it has its own file again."""
    from .database import Database
    from .testing import Harness

    moved: list[tuple[App, Database]] = []
    made: list[Harness] = []

    def harness(app: App) -> Harness:
        before = app.database
        app.database = Database(tmp_path / f"test-{len(moved)}.db", driver=before.driver, synchronous="off")
        moved.append((app, before))
        made.append(Harness(app))
        return made[-1]

    yield harness
    for each in made:
        each.close()
    for app, before in moved:
        app.database.close()
        app.database = before
