"""Names of workers: a name is one living process."""

from __future__ import annotations

import os
import secrets
import socket
from typing import Any

from .errors import Error

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class WorkerName:
    """A name that no other living process has: `host:N` with the smallest N that is free, held by a lock on a file beside the database.

    Under the lock, what an earlier process of this name has left is taken back at once. In memory and on a cluster nothing is held, and the name is a random one.
    """

    def __init__(self, path: str, name: str | None):
        self._file: Any = None
        self.is_locked = False
        if path == ":memory:" or path.startswith(("http://", "https://")) or fcntl is None:
            self.name = name or f"{socket.gethostname()}:{secrets.token_hex(4)}"
            return
        for candidate in [name] if name else [f"{socket.gethostname()}:{n}" for n in range(1, 1000)]:
            handle = open(f"{path}.worker-{candidate.replace(os.sep, '_').replace(':', '-')}", "a")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                handle.close()
                if name:
                    raise Error(f"a worker of the name {name!r} is running on this file already") from None
                continue
            self._file, self.name, self.is_locked = handle, candidate, True
            return
        self.name = f"{socket.gethostname()}:{secrets.token_hex(4)}"

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
