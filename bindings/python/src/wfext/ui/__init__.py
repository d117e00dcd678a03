"""The page: what runs, what is stuck and why, and the buttons for it. `pip install "wfext[ui]"`.

    wfext ui app.db                          from a shell: prints an address to open

    ui = wfext.ui.app("app.db", auth=who)    in an application: a Starlette app, to be mounted
    api.mount("/workflows", ui)

It reads, and acts only where it was made with write=True. See docs/view.md.
"""

from __future__ import annotations

try:
    import jinja2 as _jinja2  # noqa: F401
    import starlette as _starlette  # noqa: F401
except ImportError as error:
    raise ImportError(f'{error.name} is missing: pip install "wfext[ui]"', name=error.name) from error

from .application import app
from .guard import Auth, Viewer
from .server import serve

__all__ = ["Auth", "Viewer", "app", "serve"]
