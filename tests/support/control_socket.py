"""A stand-in for Litestream's control socket: it answers as it is told, also as no Litestream would."""

import json
import os
import socket
import tempfile
import threading
import time
from pathlib import Path

HANG_UP = object()  # an answer, or a piece of one: the connection ends here


class Pause(float):
    """A piece of an answer: nothing comes for so many seconds."""


class Never(Exception):
    """Raised by a script: the connection stays open, and silent, until the server goes."""


def http(status, body, headers=(), version="1.1"):
    """An answer as Go writes it, unless told otherwise; `body` is bytes, or an object for JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode() + b"\n"
    lines = [f"HTTP/{version} {status} Whatever", "Content-Type: application/json", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def chunks(*parts, extension="", trailer=""):
    """A body in chunks."""
    return b"".join(b"%x%s\r\n%s\r\n" % (len(p), extension.encode(), p) for p in parts) + b"0\r\n" + trailer.encode() + b"\r\n"


class ControlSocket:
    """Listens until it is closed, a thread for each caller.

    `syncs` is what POST /sync gets, one after the other and the last one for ever: bytes, a list of bytes, Pause and HANG_UP, an int for (status, error), a
    dict or a pair (txid, replicated_txid) for an answer 200, or a function of (request, number) that returns one of these. `info` is the same for GET /info.
    """

    def __init__(self, *syncs, info="0.5.18", backlog=64):
        self.folder = tempfile.TemporaryDirectory(prefix="wfs")  # short: a socket's path has 107 bytes
        self.path = str(Path(self.folder.name) / "s")
        self.syncs, self.info = list(syncs) or [(1, 1)], info
        self.requests, self.open_now, self.descriptors = [], 0, []
        self.lock, self.gone = threading.Lock(), threading.Event()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen(backlog)
        self.threads = []
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def close(self):
        self.gone.set()
        with socket.socket(socket.AF_UNIX) as wake:  # accept() does not end by close()
            wake.settimeout(5)
            wake.connect(self.path)
        self.accepting.join(5)
        self.server.close()
        for thread in self.threads:
            thread.join(5)
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def asked(self):
        """The bodies of POST /sync so far."""
        return [request["body"] for request in self.requests if request["what"] == "POST /sync"]

    def _accept(self):
        while not self.gone.is_set():
            connection, _ = self.server.accept()
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def _serve(self, connection):
        with connection:
            connection.settimeout(30)
            try:
                request = self._read(connection)
                if request is None:
                    return
                with self.lock:
                    self.requests.append(request)
                    number = len(self.asked)
                self._answer(connection, request, number)
            except Never:
                self.gone.wait(60)
            except OSError:
                pass  # the caller has gone

    @staticmethod
    def _read(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(4096)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(4096)
        method, path, version = lines[0].split(" ")
        assert version == "HTTP/1.1" and "host" in headers, lines
        return {"what": f"{method} {path}", "headers": headers, "body": json.loads(body) if body else None, "at": time.monotonic()}

    def _answer(self, connection, request, number):
        if request["what"] == "GET /info":
            answer = self.info
            if isinstance(answer, str):
                answer = {"version": answer, "pid": os.getpid(), "uptime_seconds": 1, "database_count": 1}
        elif request["what"] == "POST /sync":
            answer = self.syncs[min(number, len(self.syncs)) - 1]
        else:
            answer = http(404, b"404 page not found\n")
        if callable(answer):
            answer = answer(request, number)
        if isinstance(answer, int):
            answer = http(answer, {"error": f"error {answer} of Litestream"})
        elif isinstance(answer, tuple):
            txid, replicated = answer
            answer = {"status": "synced", "path": request["body"]["path"], "txid": txid, "replicated_txid": replicated}
        if isinstance(answer, dict):
            answer = http(200, answer)
        for piece in answer if isinstance(answer, list) else [answer]:
            if isinstance(piece, Pause):
                self.gone.wait(piece)
            elif piece is HANG_UP:
                return
            else:
                connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
