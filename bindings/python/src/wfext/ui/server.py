"""wfext ui: the page on this machine, by uvicorn."""

from __future__ import annotations

import getpass
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence

from .application import app
from .guard import Auth, Door, Viewer

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    host: str = "127.0.0.1",
    port: int = 8484,
    write: bool = False,
    auth: Auth | None = None,
    hosts: Sequence[str] = (),
    log: str | os.PathLike[str] | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Shows the page until SIGINT or SIGTERM. Prints the address, with the token that opens it, once.

    host, port   where to listen; 0: a free port. Not this machine alone: say `hosts`, the names by which browsers reach it, and put something that speaks TLS before it.
    auth         as of wfext.ui.app: instead of the token
    log          a file to which actions are appended, a line of JSON each; without it they go to stderr
    ready        called with the address, instead of printing it
    Raises OSError where the port is taken, ValueError for a host that is not this machine's own without `hosts`.
    """
    import uvicorn

    if host not in _LOOPBACK and not hosts:
        raise ValueError(f"host is {host}: others could reach the page. Say hosts, the names by which they may")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)  # who opens the address before uvicorn is there waits
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"port {port} of {host}: {error.strerror}") from None
    port = listening.getsockname()[1]
    _log_actions(log)
    own = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    door = None if auth else Door(port)
    page = app(files, auth=auth, write=write, hosts=[*own, *hosts], door=door, anyone=Viewer(_user()))
    shown = f"[{host}]" if ":" in host else "127.0.0.1" if host == "localhost" else host
    address = f"http://{shown}:{port}/" + (f"?token={door.token}" if door else "")
    (ready or _say)(address)
    # (Not uvicorn's log of accesses: it would hold the token.)
    # X-Forwarded-For is believed where there may be a server in front; else whoever acts could write any address into the log.
    server = uvicorn.Server(uvicorn.Config(page, log_level="warning", access_log=False, server_header=False, proxy_headers=bool(hosts), timeout_graceful_shutdown=3))
    server.run(sockets=[listening])


def _say(address: str) -> None:
    print(f"{address}\nOpen it in a browser; Ctrl-C ends it.", flush=True)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "-"


def _log_actions(path: str | os.PathLike[str] | None) -> None:
    handler: logging.Handler = logging.FileHandler(path, encoding="utf-8") if path is not None else logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("wfext.ui")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
