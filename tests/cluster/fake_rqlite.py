"""What rqlite 10 answers, as it was seen to (docs/cluster.md), over one SQLite file: for what clients send, and for answers that real nodes give at the wrong moment only.

`faults` is a list of what happens to the next requests of the write and read endpoints: 'lost' (done, and the connection is closed), 'leader lost' (done, or not, and answered with status 200
and an error), 'no leader' (status 200 and an error, not done), 'text' (status 503 and text, not done), 'closed' (not done). `seen` keeps the requests.
"""

import base64
import json
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class FakeRqlite:
    def __init__(self, path, extension):
        self.lock = threading.Lock()
        self.path, self.extension = path, extension
        self.writer = self._open()
        self.writer.execute("PRAGMA journal_mode = wal")
        self.faults, self.seen = [], []
        self.ahead = 0.0  # of its clock, in the header Date
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                fake._get(self)

            def do_POST(self):
                fake._post(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def date_time_string(self, timestamp=None):
                return super().date_time_string(time.time() + fake.ahead)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _open(self, read_only=False):
        db = sqlite3.connect(f"file:{self.path}{'?mode=ro' if read_only else ''}", uri=True, isolation_level=None, check_same_thread=False, timeout=10)
        db.enable_load_extension(True)
        db.load_extension(self.extension)
        if read_only:
            db.execute("PRAGMA query_only = 1")
        return db

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.writer.close()

    def _answer(self, handler, status, body, kind="application/json"):
        data = body.encode()
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _get(self, handler):
        path = urlsplit(handler.path).path
        if path == "/nodes":
            self._answer(handler, 200, json.dumps({"nodes": [{"id": "1", "api_addr": self.url, "addr": "127.0.0.1:4002", "voter": True, "reachable": True, "leader": True}]}))
        else:
            self._answer(handler, 404, "404 page not found\n", "text/plain; charset=utf-8")

    def _post(self, handler, statements):
        parts = urlsplit(handler.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.seen.append((parts.path, asked, statements, handler.headers.get("Authorization")))
        with self.lock:
            fault = self.faults.pop(0) if self.faults else None
        if fault == "text":
            return self._answer(handler, 503, "leader not found\n", "text/plain")
        if fault == "no leader":
            return self._answer(handler, 200, '{"results":[],"error":"leader not found"}')
        if fault == "closed":
            handler.close_connection = True
            return None
        if parts.path == "/db/request" and asked.get("level") == "strong":
            with self.lock:
                results = self._run(self.writer, statements, "transaction" in asked, "blob_array" in asked)
        elif parts.path in ("/db/query", "/db/request"):
            reader = self._open(read_only=True)
            try:
                results = self._run(reader, statements, False, "blob_array" in asked)
            finally:
                reader.close()
        else:
            return self._answer(handler, 404, "404 page not found\n", "text/plain")
        if fault == "lost":
            handler.close_connection = True
            return None
        if fault == "leader lost":
            return self._answer(handler, 200, '{"results":[],"error":"leadership lost while committing log"}')
        return self._answer(handler, 200, json.dumps({"results": results}))

    def _run(self, db, statements, transaction, arrays):
        def blob(value):
            return list(value) if arrays else base64.b64encode(value).decode()

        results = []
        if transaction:
            db.execute("BEGIN IMMEDIATE")
        for sql, *params in statements:
            given = params[0] if params and isinstance(params[0], dict) else [bytes(each) if isinstance(each, list) else each for each in params]
            try:
                cursor = db.execute(sql, given)
                if cursor.description:
                    rows = [[blob(value) if isinstance(value, bytes) else value for value in row] for row in cursor.fetchall()]
                    results.append({"columns": [column[0] for column in cursor.description], "types": ["text"] * len(cursor.description), **({"values": rows} if rows else {})})
                else:
                    results.append({"last_insert_id": cursor.lastrowid, "rows_affected": cursor.rowcount})
            except sqlite3.Error as error:
                results.append({"error": str(error)})
                if transaction:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    return results  # what stood before it is listed, and rolled back
        if transaction:
            db.execute("COMMIT")
        return results
