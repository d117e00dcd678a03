"""How a page is answered: the file that is meant, its mark, the template, 204 where nothing has changed."""

from __future__ import annotations

import collections
import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..view import files, lists, overview, tables
from . import render
from .guard import Viewer
from .sources import Look, Source, Sources, short_name

MARK = "Wfext-Mark"
PAUSE = "Wfext-Pause"  # seconds after which a page that lives asks again
BUCKET_SECONDS = 10  # a page that says "12 m ago" is made anew after this long, changed file or not
NOTE_SECONDS = 60  # what an action has done is said on the page for that long


class Pace:
    """How often pages that live ask again: every two seconds, and less often where all of them together would take more than a twentieth of a processor."""

    SHARE = 0.05
    SHORTEST, LONGEST = 2.0, 30.0  # seconds
    WINDOW = 10.0  # what is looked back on
    AROUND = 0.003  # seconds of work of the server around each answer

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: collections.deque[tuple[float, float]] = collections.deque()  # (when, what it would have taken if they had come each second)
        self._demand = 0.0
        self.pause = self.SHORTEST

    def took(self, seconds: float, now: float | None = None) -> float:
        """An answer to one of them has taken so much work, without what is around it. The pause from now on."""
        now = time.monotonic() if now is None else now
        seconds += self.AROUND
        with self._lock:
            self._answers.append((now, seconds * self.pause))
            self._demand += seconds * self.pause
            while self._answers[0][0] < now - self.WINDOW:
                self._demand -= self._answers.popleft()[1]
            # (all of them together, in one round of theirs)
            self.pause = min(self.LONGEST, max(self.SHORTEST, self._demand / self.WINDOW / self.SHARE))
            return self.pause


class Desk:
    """What all pages need."""

    def __init__(self, sources: Sources, templates: jinja2.Environment, *, write: bool, title: str | None):
        self.sources = sources
        self.templates = templates
        self.write = write
        self.title = title
        self.pace = Pace()
        self._notes: dict[str, tuple[float, str, str]] = {}
        self._lock = threading.Lock()

    def leave_note(self, text: str, kind: str = "") -> str:
        """Keeps what an action has done for the page that comes next, which asks for it by the name returned: an address itself never carries text that a page shows as its own."""
        name = secrets.token_urlsafe(6)
        with self._lock:
            for old in [key for key, (until, _, _) in self._notes.items() if until < time.monotonic()]:
                del self._notes[old]
            self._notes[name] = (time.monotonic() + NOTE_SECONDS, text, kind)
        return name

    def note(self, name: str | None) -> tuple[str, str] | None:
        """(text, kind: '' or 'bad')"""
        with self._lock:
            found = self._notes.get(name or "")
        return (found[1], found[2]) if found and found[0] > time.monotonic() else None


def tally(source: Look) -> overview.Tally | None:
    """What the pages of the file take their counts from."""
    return source.shared("tally", overview.tally)


class Visit:
    """A request for a page of one file."""

    def __init__(self, request: Request):
        self.request = request
        self.desk: Desk = request.app.state.desk
        self.viewer: Viewer = request.scope["wfext.viewer"]
        self.query = request.query_params
        self.root: str = request.scope["wfext.root"]
        self.path = request.url.path.removeprefix(self.root) or "/"
        # (the name of a file may be any bytes, and starlette takes them for UTF-8)
        self.file_name: str | None = dict(parse_qsl(request.url.query, errors="surrogateescape")).get("file") or None

    @property
    def may_write(self) -> bool:
        return self.desk.write and self.viewer.write

    def source(self) -> Source:
        return self.desk.sources.get(self.file_name)

    def link(self, path: str, **parameters: Any) -> str:
        """The address of a page of the same file."""
        return render.address(self.root + path, **{"file": self.file_name, **parameters})

    def here(self, **changes: Any) -> str:
        """The address of this page, with some parameters changed (None: left out)."""
        kept: dict[str, Any] = {}
        for key, value in self.query.multi_items():
            if key not in ("note", "file", *changes):
                kept.setdefault(key, []).append(value)
        changes.setdefault("file", self.file_name)
        return render.address(self.root + self.path, **kept, **changes)

    def answer(self, template: str, context: Callable[[Look], dict[str, Any]]) -> Response:
        """The page; 204 for who has it already, which the mark in the request says. With `rests` in its context it has no mark, and does not ask for itself again."""
        given = self.request.headers.get(MARK, "")
        began = time.thread_time()
        response, beside = self._answer(template, context, given)
        response.headers[PAUSE] = f"{self.desk.pace.took(time.thread_time() - began + beside) if given else self.desk.pace.pause:.1f}"
        return response

    def _answer(self, template: str, context: Callable[[Look], dict[str, Any]], given: str) -> tuple[Response, float]:
        """And the work that was done for it beside this thread."""
        source = self.source().look()
        state = f"{source.version}.{int(time.time() / BUCKET_SECONDS)}"
        if given and given.partition("-")[0] == state:
            return Response(status_code=204, headers={MARK: given}), 0.0
        made = {**self.about(source), **context(source)}
        if made.get("rests"):
            return self.respond(template, made), source.work
        return self.respond(template, made, f"{state}.stale" if source.stale else state), source.work

    def about(self, source: Look) -> dict[str, Any]:
        """What the bar at the top says of the file."""
        return {
            "source": source,
            "file_title": self.desk.title or short_name(source.path),
            "now": self._now(source),
            "doubt": source.shared("doubt", lambda c: len(tables.in_doubt(c, held_only=True, limit=100))),
            "failed": source.shared("failed", overview.failed),
        }

    @staticmethod
    def _now(source: Look) -> int:
        with source.reader() as file:
            return files.now(file.connection)

    def respond(self, template: str, context: dict[str, Any], state: str | None = None, status: int = 200) -> Response:
        text = self.desk.templates.get_template(template).render(
            {
                "visit": self,
                "link": self.link,
                "here": self.here,
                "static": lambda name: f"{self.root}/static/{name}",
                "many": not self.desk.sources.single,
                "note": self.desk.note(self.query.get("note")),
                "source": None,
                "file_title": self.desk.title or short_name(self.file_name or self.desk.sources.patterns[0]),
                "failed": lists.Count(0, True),
                "doubt": 0,
                **context,
            }
        )
        # Half of a character (JSON may hold \ud800, a name of a file any byte) is shown as its escape: no text that is stored may take the page away.
        page = text.encode("utf-8", "backslashreplace")
        if state is None:
            return HTMLResponse(page, status)
        digest = hashlib.blake2b(page, digest_size=8).hexdigest()
        mark = f"{state}-{digest}"
        if self.request.headers.get(MARK, "").rpartition("-")[2] == digest:
            return Response(status_code=204, headers={MARK: mark})
        return HTMLResponse(page.replace(b'data-mark=""', b'data-mark="%s"' % mark.encode(), 1), status, headers={MARK: mark})

    def go(self, address: str, note: str, kind: str = "") -> Response:
        """On to another page after an action, which says what was done."""
        name = self.desk.leave_note(note, kind)
        base, hash, fragment = address.partition("#")
        return RedirectResponse(f"{base}{'&' if '?' in base else '?'}note={name}{hash}{fragment}", 303)
