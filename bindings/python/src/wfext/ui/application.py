"""The application: routes, and what belongs to it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from . import acting, pages
from .answer import Desk
from .guard import Auth, Door, Guard, Viewer
from .render import environment
from .sources import Sources


def app(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    auth: Auth | None,
    write: bool = False,
    hosts: Sequence[str] | None = None,
    origins: Sequence[str] = (),
    door: Door | None = None,
    anyone: Viewer = Viewer("-"),
    title: str | None = None,
) -> Starlette:
    """The page as an application of Starlette, to be mounted in one, or in FastAPI.

    files     a path, a pattern ('agents/*.db'), or several
    auth      auth(request) gives a Viewer, or the name of one, or None: refused. It may be async. Without it (auth=None) everybody who reaches the page sees it, and with `write`
              acts: then say who reaches it some other way.
    write     whether there are buttons. Each action is logged by the logger `wfext.ui`: who, when, what, on which.
    hosts     names that may stand in Host (`localhost:8000`); None: any, where the server in front looks
    origins   origins beside the page's own that may send its forms (https://ops.example.org)
    title     what stands in the bar at the top, instead of the name of the file
    The rest is for wfext.ui.serve.
    """
    patterns = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    sources = Sources([os.fspath(each) for each in patterns])
    desk = Desk(sources, environment(), write=write, title=title)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            sources.close()

    gets = [(address, getattr(pages, name), name) for address, name in pages.ADDRESSES.items()]
    made = Starlette(
        routes=[
            *(Route(address, page, name=name, methods=["GET"]) for address, page, name in gets),
            Route("/act", acting.act, name="act", methods=["POST"]),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static"),
        ],
        middleware=[Middleware(Guard, hosts=hosts, origins=origins, door=door, auth=auth, anyone=dataclasses.replace(anyone))],
        exception_handlers=pages.HANDLERS,
        lifespan=lifespan,
    )
    made.state.desk = desk
    return made
