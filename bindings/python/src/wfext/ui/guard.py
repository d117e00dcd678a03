"""Who may come in: Host, Origin, the token and its cookie, the hook of those who mount the page; and the headers of every answer."""

from __future__ import annotations

import dataclasses
import hmac
import inspect
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclasses.dataclass(frozen=True)
class Viewer:
    """Who looks. `name` stands in the log of actions; `write`: whether this one may act, where the page was made with write=True."""

    name: str
    write: bool = True


Auth = Callable[[Request], "Viewer | str | None | Awaitable[Viewer | str | None]"]

_HEADERS = {
    # No script, style or frame but our own, none inside of a page, and forms go nowhere else.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # Not no-referrer: with that a browser sends `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_PORTS = {"http": 80, "https": 443}


def _with_port(scheme: str, host: str) -> str:
    """host:port in lower case; the port that a scheme implies is said."""
    host = host.lower()
    has_port = ":" in host.rpartition("]")[2]
    return host if has_port else f"{host}:{_PORTS.get(scheme, 0)}"


class Door:
    """The token of the address that is printed, and the cookie that a browser gets for it.

    A cookie belongs to a host and not to a port: its name has the port, so that two pages on one machine do not take each other's.
    """

    def __init__(self, port: int, token: str | None = None):
        self.token = token or secrets.token_urlsafe(32)
        self.name = f"wfext_{port}"
        self._session = secrets.token_urlsafe(32)

    def knows(self, cookies: dict[str, str]) -> bool:
        return hmac.compare_digest(cookies.get(self.name, "").encode(), self._session.encode())

    def opens(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token.encode())

    def let_in(self, response: Response, path: str) -> None:
        # Lax: a link from elsewhere to a workflow works. What acts is refused by its Origin.
        response.set_cookie(self.name, self._session, path=path or "/", httponly=True, samesite="lax")


class Guard:
    """The outermost layer of the page.

    hosts     names (host or host:port) that may stand in Host; None: any, for those behind a server that looks
    origins   origins (https://ops.example.org) that may send forms beside the address of the page itself
    door      None: no token is asked for
    auth      see wfext.ui.app; None: everybody who comes this far, as `anyone`
    """

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str] | None, origins: Sequence[str], door: Door | None, auth: Auth | None, anyone: Viewer):
        self.app = app
        self.hosts = None if hosts is None else {host.lower() for host in hosts}
        self.origins = {origin.lower().rstrip("/") for origin in origins}
        self.door = door
        self.auth = auth
        self.anyone = anyone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # a websocket: refused, by 403
            await send({"type": "websocket.close", "code": 1008})
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        scope["wfext.root"] = scope.get("root_path", "")  # (what is mounted in the page has another)
        request = Request(scope, receive)
        answer = await self._refusal(request)
        await (answer or self.app)(scope, receive, sealed)

    async def _refusal(self, request: Request) -> Response | None:
        """The answer that ends it here, or None: who asks may go on, and scope['wfext.viewer'] says who."""
        headers = request.headers
        host = headers.get("host", "")
        if self.hosts is not None and host.lower() not in self.hosts:
            return PlainTextResponse("This page does not answer to that host name.\n", 421)
        acts = request.method not in ("GET", "HEAD")
        if acts and not self._is_own(request.url.scheme, host, headers):
            return PlainTextResponse("A form from another site is refused.\n", 403)
        if self.door is not None:
            given = request.query_params.get("token")
            if given is not None and not acts:
                return self._enter(request, given)
            if not self.door.knows(request.cookies):
                return PlainTextResponse("Open the address that `wfext ui` has printed: it has the token.\n", 403)
        viewer = await self._viewer(request)
        if viewer is None:
            return PlainTextResponse("You may not see this page.\n", 403)
        request.scope["wfext.viewer"] = viewer
        return None

    def _is_own(self, scheme: str, host: str, headers: Headers) -> bool:
        """Whether a form comes from a page of ours. A browser says Origin with each POST; what says neither it nor Sec-Fetch-Site is no form of a browser of these days: refused too."""
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        origin = headers.get("origin")
        if origin is None:
            return False
        if origin.lower() in self.origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        # (behind a proxy that speaks TLS the scheme is the proxy's)
        return bool(parts.netloc) and _with_port(parts.scheme, parts.netloc) in (_with_port(parts.scheme, host), _with_port(scheme, host))

    def _enter(self, request: Request, token: str) -> Response:
        assert self.door is not None
        if not self.door.opens(token):
            return PlainTextResponse("That token is none of this page: it ends with the process that has printed it.\n", 403)
        left = urlencode([(k, v) for k, v in parse_qsl(request.url.query, keep_blank_values=True) if k != "token"])
        path = "/" + request.url.path.lstrip("/")  # (`//host` would lead elsewhere)
        response = RedirectResponse(path + (f"?{left}" if left else ""), 303)
        self.door.let_in(response, request.scope.get("root_path", ""))
        return response

    async def _viewer(self, request: Request) -> Viewer | None:
        if self.auth is None:
            return self.anyone
        found: Any = self.auth(request) if inspect.iscoroutinefunction(self.auth) else await run_in_threadpool(self.auth, request)
        if inspect.isawaitable(found):
            found = await found
        if found is None or isinstance(found, Viewer):
            return found
        if isinstance(found, str) and found:
            return Viewer(found)
        raise TypeError(f"auth has returned {found!r}: a Viewer, a name, or None")
