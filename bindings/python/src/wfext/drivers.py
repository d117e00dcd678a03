"""SQLite libraries that an app may use: `sqlite3`, modules like it (`pysqlite3`, `sqlean`), and `apsw`.

One of them for a file in one process. Two lose each other's locks, and committed rows with them: a lock of POSIX belongs to the process, and each library closes it under the other.
"""

from __future__ import annotations

import importlib
import types
from typing import Any


def find(driver: Any) -> Any:
    """The module: given, by its name, or `sqlite3`."""
    if driver is None:
        driver = "sqlite3"
    if isinstance(driver, str):
        try:
            driver = importlib.import_module(driver)
        except ImportError as error:
            raise ImportError(f"driver is {driver!r}: {error}", name=driver) from error
    if not isinstance(driver, types.ModuleType) or not (hasattr(driver, "connect") or hasattr(driver, "Connection")):
        raise TypeError(f"driver is {driver!r}: a module like sqlite3, or apsw")
    return driver


def connect(driver: Any, path: str, timeout: float) -> Any:
    """A connection in autocommit that any thread may use, one after the other."""
    if hasattr(driver, "connect"):
        return driver.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    connection = driver.Connection(path)
    connection.set_busy_timeout(int(timeout * 1000))
    return connection
