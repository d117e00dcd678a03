"""Requests to a cluster that keeps the file on several machines: nodes of wfext-node (hiqlite) or of rqlite. Standard library alone. docs/cluster.md

    cluster = Cluster("http://:TOKEN@10.0.0.1:7000,10.0.0.2:7000,10.0.0.3:7000")
    cluster.call("wf_start", "order", '{"sku": "tea"}')
    cluster.write([["INSERT INTO orders VALUES (?, ?)", [1, "tea"]]])
    rows = cluster.read([["SELECT * FROM orders"]])[0].rows

Every node is asked until one that leads has answered. Which requests may be sent a second time is the caller's to say (`repeat`): a write whose answer was lost may stand. `call` makes the
engine's calls such that they may: ids and keys are made here, before the first try, and so is the time, as no node may read its own clock.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import http.client
import json
import logging
import os
import random
import re
import selectors
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any

from .client import new_id
from .errors import Busy, Error, translate

log = logging.getLogger("wfext")

Statement = Sequence[Any]  # [sql] or [sql, parameters]: a list, or an object by name

_positional = re.compile(r"\((.*)\)$")

_SILENCE = 0.5  # seconds without an answer after which the other nodes are asked whether one of them leads by now


class StatementFailed(Error):
    """SQLite refused a statement, on all nodes: nothing of its transaction stands. `statement` says which, from 0; `sqlite_errorcode` is SQLite's, where the server gives it."""

    def __init__(self, message: str, statement: int = 0, sqlite_errorcode: int | None = None):
        super().__init__(message)
        self.statement = statement
        if sqlite_errorcode is not None:
            self.sqlite_errorcode = sqlite_errorcode


class Unreachable(Busy):
    """No node that leads has answered for as long as the cluster's `patience`. Nothing was written."""


class OutcomeUnknown(Unreachable):
    """The answer to a write was lost: it may stand, or may yet."""


class ClocksDisagree(Error):
    """The clock of this machine is not the cluster's. The time of a call is the caller's word, so a wrong one would end the leases of others."""


class Refused(Error):
    """The server takes the request for none: a wrong token, a path that is not there."""


class Result:
    """What a statement gave."""

    __slots__ = ("changes", "columns", "rows")

    def __init__(self, columns: list[str], rows: list[list[Any]], changes: int | None):
        self.columns = columns
        self.rows = rows
        self.changes = changes

    @property
    def value(self) -> Any:
        """The first column of the first row, or None."""
        return self.rows[0][0] if self.rows and self.rows[0] else None


class _Answer(Exception):
    """A request has not come to its end: what is known about it."""

    def __init__(self, why: str, *, done: str, leader: str | None = None):
        super().__init__(why)
        self.done = done  # 'no', or 'unknown'
        self.leader = leader


class Cluster:
    """The nodes of a cluster.

    url        one address or several, with commas: `http://:TOKEN@host:port,host:port`, for rqlite `http://user:password@host:port`. The others are found by asking
    token      what wfext-node wants; default: the one in the address, or the environment variable WFEXT_NODE_TOKEN
    engine     'hiqlite' or 'rqlite'; default: whichever answers
    timeout    seconds for the answer to one request; one that says nothing is given up sooner where another node leads by now (hiqlite)
    patience   seconds in all for a request that is sent again: longer than a change of leaders
    max_skew   seconds by which this machine's clock may be off the clocks of the nodes
    tls        an ssl.SSLContext; default: certificates are checked as the system does
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        engine: str | None = None,
        timeout: float = 5.0,
        patience: float = 30.0,
        max_skew: float = 2.0,
        tls: ssl.SSLContext | None = None,
    ):
        scheme, _, rest = url.partition("://")
        if scheme not in ("http", "https") or not rest:
            raise ValueError(f"the address of a cluster is {url!r}: http://host:port,host:port")
        if engine not in (None, "hiqlite", "rqlite"):
            raise ValueError(f"engine is {engine!r}: 'hiqlite' or 'rqlite'")
        login, _, hosts = rest.rstrip("/").rpartition("@")
        self.nodes = [f"{scheme}://{host}" for host in hosts.split(",") if host]
        if not self.nodes:
            raise ValueError(f"the address {url!r} names no node")
        user, _, password = (urllib.parse.unquote(part) for part in login.partition(":"))
        self.engine = engine
        self.timeout = timeout
        self.patience = patience
        self.max_skew = max_skew
        self._tls = tls
        self._headers = {"Content-Type": "application/json"}
        bearer = token or (password if not user else None) or os.environ.get("WFEXT_NODE_TOKEN")
        if user:
            self._headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        elif bearer:
            self._headers["Authorization"] = f"Bearer {bearer}"
        self._lock = threading.Lock()
        self._idle: dict[str, list[http.client.HTTPConnection]] = {}
        self._leader: str | None = None
        self._ids: dict[str, int] = {}  # of nodes, as they or others have said
        self._known_until = 0.0
        self._answered = False  # the last look
        self._last_time = 0.0
        self._functions: dict[str, tuple[int, bool, bool]] | None = None
        self._pid = os.getpid()

    # One request to one node

    def _connect(self, node: str, timeout: float) -> http.client.HTTPConnection:
        parts = urllib.parse.urlsplit(node)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout, context=self._tls)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)

    @contextlib.contextmanager
    def _connection(self, node: str, timeout: float) -> Iterator[http.client.HTTPConnection]:
        """A connection to a node; kept for the next one, unless something went wrong with it."""
        with self._lock:
            if self._pid != os.getpid():  # after a fork the parent's connections are the parent's
                self._pid, self._idle = os.getpid(), {}
            kept = self._idle.get(node)
            connection = kept.pop() if kept else None
        if connection is not None and _is_closed(connection.sock):
            connection.close()
            connection = None
        if connection is None:
            connection = self._connect(node, timeout)
        else:
            connection.sock.settimeout(timeout)
        sound = False
        try:
            yield connection
            sound = True
        finally:
            if sound and connection.sock is not None:
                with self._lock:
                    self._idle.setdefault(node, []).append(connection)
            else:
                connection.close()

    def _ask(
        self, node: str, method: str, path: str, body: bytes | None, timeout: float, hold: Any = None, leads: bool = False
    ) -> tuple[int, Any, http.client.HTTPResponse]:
        """Status, JSON and response. Raises _Answer where there is no such thing. `hold(connection)`: told before the answer is waited for. leads: it is for the node that leads alone."""
        with self._connection(node, timeout) as connection:
            try:
                if connection.sock is None:
                    connection.connect()
            except OSError as error:
                raise _Answer(f"{node}: {error}", done="no") from error
            if hold is not None:
                hold(connection)
            try:
                connection.request(method, path, body, self._headers)
                if leads:
                    self._await(node, connection.sock, timeout)
                response = connection.getresponse()
                data = response.read()
            except (OSError, http.client.HTTPException) as error:
                raise _Answer(f"{node}: {error or type(error).__name__}", done="no" if method == "GET" else "unknown") from error
        try:
            answer = json.loads(data) if data else None
        except ValueError:
            said = data[:200].decode(errors="replace").strip()
            if response.status in (401, 403, 404):
                raise Refused(f"{node}{path}: {response.status} {said}") from None
            raise _Answer(f"{node}: {response.status} {said}", done="unknown") from None
        return response.status, answer, response

    def _await(self, node: str, sock: Any, timeout: float) -> None:
        """Until there is something to read. A machine that is gone without a word never answers, and its connections stay open: while nothing comes, the others are asked,
        and where one of them leads by now, this request is given up. A node that leads and is slow is waited for."""
        until = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            while not selector.select(max(0.0, min(_SILENCE, until - time.monotonic()))):
                if time.monotonic() >= until:
                    raise TimeoutError("timed out")
                leader = self._leads_instead(node)
                if leader is not None:
                    raise _Answer(f"{node} does not answer, and {leader} leads", done="unknown", leader=leader)

    def _leads_instead(self, node: str) -> str | None:
        """The address of the node that leads, where that is another one: as those others say that know the newest term."""
        with self._lock:
            id = self._ids.get(node)
            others = [other for other in self.nodes if other != node and self._ids.get(other) != id]
        term, leader = -1, None
        for other in others if id is not None else ():
            try:
                status, answer, _ = self._ask(other, "GET", "/cluster", None, 1.0)
            except (_Answer, Refused):
                continue
            if status == 200 and isinstance(answer, dict) and answer["leader"] and answer["term"] > term:  # (one that is cut off counts terms on, and knows no leader)
                term = answer["term"]
                leader = next((member["url"] for member in answer["members"] if member["id"] == answer["leader"] != id), None)
        return leader

    # Who is there

    def _look_around(self) -> None:
        """Asks every node who the others are, which leads, and what time it is; once in a while, and by one thread: one that says nothing takes its time."""
        with self._lock:
            if time.monotonic() < self._known_until:
                return
            if self._answered:  # who goes on meanwhile knows of the cluster what was said last
                self._known_until = time.monotonic() + 60.0
            nodes = list(self.nodes)
        try:
            self._look_at(nodes)
        except BaseException:
            with self._lock:
                self._known_until = 0.0
            raise

    def _look_at(self, nodes: list[str]) -> None:
        found, offsets, trouble = [], [], []
        for node in nodes:
            try:
                seen = self._look(node)
            except _Answer as error:
                trouble.append(str(error))
                continue
            members, leader, offset = seen
            found += [member for member in members if member not in found]
            offsets.append(offset)
            if leader is not None:
                self._leader = leader
        if offsets:
            self._compare(offsets)
        with self._lock:
            # What was said once stays, behind what the cluster says now: an address that is another one seen from there may be the only one that leads here.
            self.nodes = found + [node for node in self.nodes if node not in found]
            self._answered = bool(offsets)
            self._known_until = time.monotonic() + (60.0 if offsets else 0.2)
        if trouble:
            log.info("of the cluster, not reached: %s", "; ".join(trouble))

    def _look(self, node: str) -> tuple[list[str], str | None, float]:
        """The addresses of all nodes that this one knows, the one that leads, and how far its clock is ahead of ours."""
        timeout = min(2.0, self.timeout)
        if self.engine is None:
            self.engine = self._find_engine(node, timeout)
        begun = time.time()
        path = "/cluster" if self.engine == "hiqlite" else "/nodes?ver=2"
        status, answer, response = self._ask(node, "GET", path, None, timeout)
        if status == 401:
            raise Refused(f"{node}: the token or password is wrong, or there is none")
        if status != 200 or not isinstance(answer, dict):
            raise _Answer(f"{node}: {status} {answer}", done="no")
        if self.engine == "hiqlite":
            with self._lock:
                self._ids.update({member["url"]: member["id"] for member in answer["members"]} | {node: answer["node"]})
            members = [(member["url"], member["id"] == answer["leader"]) for member in answer["members"]]
            said = answer["time"] / 1000
        else:
            members = [(member["api_addr"], bool(member.get("leader"))) for member in answer.get("nodes") or () if member.get("api_addr")]
            date = response.headers.get("Date")  # whole seconds
            said = email.utils.parsedate_to_datetime(date).timestamp() + 0.5 if date else begun
        leader = next((url for url, leads in members if leads), None)
        return [url for url, _ in members], leader, said - (begun + time.time()) / 2

    def _find_engine(self, node: str, timeout: float) -> str:
        try:
            _, answer, _ = self._ask(node, "GET", "/health", None, timeout)
        except Refused:
            return "rqlite"  # it has no such page
        return "hiqlite" if isinstance(answer, dict) and ("healthy" in answer or "error" in answer) else "rqlite"

    def _compare(self, offsets: list[float]) -> None:
        middle = sorted(offsets)[len(offsets) // 2]
        if abs(middle) > self.max_skew:
            raise ClocksDisagree(f"the clock of this machine is {abs(middle):.1f} s {'behind' if middle > 0 else 'ahead of'} the clocks of the cluster: at most {self.max_skew:g} s (max_skew)")
        if max(offsets) - min(offsets) > self.max_skew:
            log.warning("the clocks of the nodes are %.1f s apart", max(offsets) - min(offsets))

    def now(self) -> float:
        """The time for a call, in seconds: this machine's, which is not far from the cluster's, and never goes back."""
        self._look_around()
        with self._lock:
            self._last_time = max(self._last_time, round(time.time(), 3))
            return self._last_time

    # A request until it is answered

    def _candidates(self) -> list[str]:
        with self._lock:
            first = [self._leader] if self._leader else []
            return first + [node for node in self.nodes if node not in first]

    def _send(self, path: str, body: Any, *, repeat: bool, read: Any) -> Any:
        """Asks the nodes in turn until one has answered: read(status, answer), which raises _Answer where that is no answer yet."""
        leads = read == self._read_hiqlite and not path.endswith("level=local")
        text = json.dumps(body).encode()
        until = time.monotonic() + self.patience
        pause, unknown, last = 0.02, False, "no node answers"
        while True:
            self._look_around()
            for node in self._candidates():
                try:
                    status, answer, _ = self._ask(node, "POST", path, text, self.timeout, leads=leads)
                    result = read(status, answer)
                except _Answer as error:
                    last = str(error)
                    if error.done == "unknown":
                        unknown = True
                        if not repeat:
                            raise OutcomeUnknown(f"it is not known whether it was written: {last}") from error
                    with self._lock:
                        self._leader = error.leader
                    if error.leader is not None:
                        break
                    continue
                with self._lock:
                    self._leader = node
                return result
            if time.monotonic() > until:
                raise (OutcomeUnknown if unknown else Unreachable)(f"no answer for {self.patience:g} s: {last}")
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(0.2, pause * 1.5)

    @staticmethod
    def _read_hiqlite(status: int, answer: Any) -> Any:
        error = answer.get("error") if isinstance(answer, dict) else None
        if status == 200 and isinstance(answer, dict) and error is None:
            return answer
        if not isinstance(error, dict):
            raise _Answer(f"{status} {answer}", done="unknown")
        message = str(error.get("message"))
        if status == 422:
            raise StatementFailed(message, error.get("statement", 0), error.get("extended"))
        if status == 307:
            raise _Answer(message, done="no", leader=error["leader"]["url"])
        if status == 503:
            raise _Answer(message, done="no" if error.get("outcome") == "none" else "unknown")
        raise Refused(f"{status} {message}")

    @staticmethod
    def _read_rqlite(status: int, answer: Any) -> Any:
        """A top-level `error` comes with status 200. That there is no leader was so before anything was written; that it is lost may have come after."""
        if status == 200 and isinstance(answer, dict) and "results" in answer and "error" not in answer:
            return answer
        said = answer.get("error") if isinstance(answer, dict) else answer
        if status in (400, 401, 403, 404):
            raise Refused(f"{status} {said}")
        raise _Answer(f"{status} {said}", done="no" if said in ("leader not found", "not leader") else "unknown")

    def _results(self, given: list[Any], each: bool) -> list[Any]:
        """Results, with an exception in the place of one that failed; without `each` the first failure is raised."""
        out: list[Any] = []
        for at, result in enumerate(given):
            error = result.get("error")
            if error is not None:
                if isinstance(error, dict):
                    failure = StatementFailed(str(error.get("message")), at, error.get("extended"))
                else:
                    failure = StatementFailed(str(error), at)
                if not each:
                    raise failure
                out.append(failure)
            elif self.engine == "hiqlite":
                out.append(Result(result.get("columns", []), [[_value(value) for value in row] for row in result.get("rows", [])], result.get("changes")))
            else:
                out.append(Result(result.get("columns", []), [[bytes(value) if isinstance(value, list) else value for value in row] for row in result.get("values") or []], result.get("rows_affected")))
        return out

    def _bound(self, statements: Sequence[Statement]) -> list[list[Any]]:
        out: list[list[Any]] = []
        for sql, *params in statements:
            given: Any = params[0] if params else []
            if self.engine == "rqlite":
                out.append([sql, {name: _rq(value) for name, value in given.items()}] if isinstance(given, dict) else [sql, *map(_rq, given)])
            else:
                out.append([sql, {name: _hq(value) for name, value in given.items()} if isinstance(given, dict) else [_hq(value) for value in given]])
        return out

    def write(self, statements: Sequence[Statement], *, each: bool = False, repeat: bool = False) -> list[Any]:
        """Runs statements on all nodes, in one transaction: their `Result`s. Raises StatementFailed, and then nothing stands.

        each     each by itself: a StatementFailed stands in the place of the result of one that failed
        repeat   may be sent again when the answer was lost. Otherwise OutcomeUnknown is raised then
        """
        self._look_around()
        if self.engine == "rqlite":
            # At level strong the request goes through the log, and the rows of each statement come back. Never `linearizable`: docs/cluster.md
            path = "/db/request?level=strong&blob_array" + ("" if each else "&transaction")
            answer = self._send(path, self._bound(statements), repeat=repeat, read=self._read_rqlite)
        else:
            answer = self._send("/write", {"statements": self._bound(statements), "each": each}, repeat=repeat, read=self._read_hiqlite)
        return self._results(answer["results"], each)

    def read(self, statements: Sequence[Statement], *, level: str = "leader") -> list[Result]:
        """Reads at a level: 'leader' sees what this process has written, 'strong' what anybody has, 'local' what the node has that answers first."""
        if level not in ("local", "leader", "strong"):
            raise ValueError(f"level is {level!r}: 'local', 'leader' or 'strong'")
        self._look_around()
        if self.engine == "rqlite":
            of_rqlite = {"local": "none", "leader": "weak", "strong": "strong"}[level]
            answer = self._send(f"/db/query?level={of_rqlite}&blob_array", self._bound(statements), repeat=True, read=self._read_rqlite)
        else:
            answer = self._send(f"/read?level={level}", {"statements": self._bound(statements)}, repeat=True, read=self._read_hiqlite)
        return self._results(answer["results"], each=False)

    def wait(self, timeout: float, options: dict[str, Any], *, hold: Any = None, node: str | None = None) -> Any:
        """wf_wait on a node, rather not the one that leads. `hold(connection)`: told before the answer is waited for, so that somebody may close it."""
        self._look_around()
        with self._lock:
            others = [each for each in self.nodes if each != self._leader]
        random.shuffle(others)
        leader = self._leader
        last: Exception | None = None
        for each in [node] if node else others + ([leader] if leader else []):
            try:
                if self.engine == "rqlite":
                    body: Any = [["SELECT wf_wait(?, ?) AS result", timeout, json.dumps(options)]]
                    status, answer, _ = self._ask(each, "POST", f"/db/query?level=none&db_timeout={int(timeout) + 5}s", json.dumps(body).encode(), timeout + self.timeout, hold)
                    result = self._results(self._read_rqlite(status, answer)["results"], each=False)[0]
                    return result.value
                status, answer, _ = self._ask(each, "POST", "/wait", json.dumps({"timeout": timeout, "options": options}).encode(), timeout + self.timeout, hold)
                return self._read_hiqlite(status, answer)["result"]
            except StatementFailed as error:
                # A node that does not lead may be behind: what it has not heard of may be there.
                if node or each == leader:
                    raise translate(error) from error
                last = error
            except _Answer as error:
                last = error
        with self._lock:
            self._known_until = 0.0
        raise Unreachable(f"no node waits: {last}")

    # Calls of the engine

    def functions(self) -> dict[str, tuple[int, bool, bool]]:
        """Of each function: its arguments without options, whether it has options, whether it writes."""
        if self._functions is None:
            rows = self.read([["SELECT name, signature, writes FROM wf_functions"]], level="local")[0].rows
            known = {}
            for name, signature, writes in rows:
                inside = _positional.search(signature)
                names = [part.strip(" []") for part in (inside[1] if inside else "").split(",") if part.strip(" []")]
                known[name] = (sum(1 for part in names if part != "options"), "options" in names, bool(writes))
            self._functions = known
        return self._functions

    def writes(self, function: str) -> bool:
        return self.functions().get(function, (0, False, True))[2]

    def statement(self, function: str, params: Sequence[Any], now: float | None = None) -> list[Any]:
        """The statement of a call that may be repeated: with the time, and an id or key where it needs one to be."""
        positions, has_options, writes = self.functions().get(function, (len(params), False, False))
        given = list(params)
        options = {}
        if len(given) > positions and (given[positions] is not None or function in ("wf_rate", "wf_queue")):
            options = json.loads(given[positions] or "null")  # of a rate and a queue, null takes it away
        # The guard of a step knows no time.
        if writes and has_options and isinstance(options, dict) and not (function == "wf_step" and len(given) == 2):
            given = (given + [None] * positions)[:positions]
            options.setdefault("now", self.now() if now is None else now)
            if function in ("wf_start", "wf_fork", "wf_recover"):
                options.setdefault("id", new_id())
            elif function == "wf_signal" or (function == "wf_claim" and "limit" not in options and "id" not in options):
                options.setdefault("key", new_id())
            given.append(json.dumps(options))
        return [f"SELECT {function}({', '.join('?' * len(given))}) AS result", given]

    def call(self, function: str, *params: Any, now: float | None = None) -> Any:
        """A call of the engine, by its name and arguments, options last as a JSON text. It is repeated until it is answered."""
        statement = self.statement(function, params, now)
        try:
            if not self.writes(function):
                return self.read([statement])[0].value
            return self.write([statement], repeat=True)[0].value
        except StatementFailed as error:
            raise translate(error) from error

    def transaction(self, token: str, step: str, statements: Sequence[Statement], output: str = "null") -> str:
        """Rows of the application's and the record of the step that wrote them, in one transaction: the output that stands, as JSON text.

        Once: where the step is recorded already, by an earlier try whose answer was lost, nothing of it is done again.
        """
        last = self.statement("wf_step", [token, step, output])
        try:
            return str(self.write([guard(token, step), *statements, last], repeat=True)[-1].value)
        except StatementFailed as error:
            stands = self.call("wf_step", token, step) if error.statement == 0 else None
            if stands is None:
                raise translate(error) from error
            return str(stands)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()


def _is_closed(sock: Any) -> bool:
    """Whether the other side has closed a connection that is not in use: then there is something to read."""
    if sock is None:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(0))


def guard(token: str, step: str) -> list[Any]:
    """A statement that fails where the step is recorded, or the claim is not this one's any more: the first of a transaction."""
    # Nothing outside of a trigger raises an error at will; what abs() has no answer for does.
    return ["SELECT abs(CASE WHEN wf_step(?, ?) IS NULL THEN 0 ELSE -9223372036854775807 - 1 END) AS free", [token, step]]


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["blob"]) if "blob" in value else float(value["real"])
    return value


def _hq(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"blob": base64.b64encode(value).decode()}
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return {"real": repr(value)}
    return value


def _rq(value: Any) -> Any:
    return list(value) if isinstance(value, (bytes, bytearray, memoryview)) else value
