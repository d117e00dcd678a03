"""The library itself, for those who want the functions alone."""

from __future__ import annotations

import os
import sys
from typing import Any

_names = {"darwin": ("libwfext.dylib",), "win32": ("wfext.dll", "libwfext.dll")}


def loadable_path() -> str:
    """Path of the extension, as load_extension() wants it. The environment variable WFEXT_LIBRARY goes before what the package brings.

    Raises FileNotFoundError where neither is there.
    """
    given = os.environ.get("WFEXT_LIBRARY")
    if given:
        if not os.path.exists(given):
            raise FileNotFoundError(f"WFEXT_LIBRARY names {given}, which is not there")
        return given
    here = os.path.dirname(os.path.abspath(__file__))
    for name in _names.get(sys.platform, ("libwfext.so",)):
        path = os.path.join(here, "lib", name)
        if os.path.exists(path):
            return path
    raise FileNotFoundError(f"this installation of wfext has no library for {sys.platform}: set WFEXT_LIBRARY to its path")


def load(connection: Any) -> None:
    """Loads the extension into an open connection of `sqlite3`, of a driver like it, or of `apsw`."""
    if not (hasattr(connection, "execute") or hasattr(connection, "cursor")):
        raise TypeError(f"load() was given {connection!r}: an open connection of sqlite3, of a driver like it, or of apsw")
    enable = getattr(connection, "enable_load_extension", None) or getattr(connection, "enableloadextension", None)
    if enable is None:
        raise RuntimeError("this Python's sqlite3 was built without loadable extensions: use another Python, or a driver that has them (App(..., driver='apsw'))")
    enable(True)
    try:
        (getattr(connection, "load_extension", None) or connection.loadextension)(loadable_path())
    finally:
        enable(False)
