"""The real Litestream, by the scripts of examples/litestream, and a loopback S3. Made by scripts/setup.sh litestream."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .database import extension_path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/litestream"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wfext"


def binary():
    """Where Litestream is; skips without one that is new enough."""
    for found in (CACHE / "litestream-0.5.18/litestream", shutil.which("litestream")):
        if found and Path(found).exists():
            version = subprocess.run([found, "version"], capture_output=True, text=True, check=True).stdout.strip()
            if [int(n) for n in version.removeprefix("v").split("-")[0].split(".")] >= [0, 5, 18]:
                return Path(found)
    pytest.skip("Litestream is not set up (scripts/setup.sh litestream)")


def s3_server():
    found = ROOT / "build/litestream/node_modules/s3rver/bin/s3rver.js"
    if not found.exists() or not shutil.which("node"):
        pytest.skip("Litestream is not set up (scripts/setup.sh litestream)")
    return found


def until(condition, what, seconds=120):
    """Waits for a state; as long as a machine that does other things may take."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain for: " + what
        time.sleep(0.01)
    return found


class WholeObjects(BaseHTTPRequestHandler):
    """Hands on what it has got all of. An object of S3 is there or not; s3rver keeps the part that came from a client that is killed while it sends."""

    protocol_version = "HTTP/1.1"
    port = None

    def hand_on(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        server = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    server.putheader(name, value)
            server.endheaders(body)
            answer = server.getresponse()
            data = answer.read()
        except OSError:
            self.close_connection = True  # s3rver is stopped: nobody answers
            return
        finally:
            server.close()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "keep-alive"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or len(data))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = hand_on

    def log_message(self, *_):
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client was killed


class S3:
    """A loopback S3 with one bucket, in a process of its own, which can be stopped and started."""

    def __init__(self, folder):
        self.folder, self.process = folder, None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.front = Quiet(("127.0.0.1", 0), type("Front", (WholeObjects,), {"port": self.port}))
        threading.Thread(target=self.front.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.front.server_address[1]}"
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["node", str(s3_server()), "-d", str(self.folder), "-a", "127.0.0.1", "-p", str(self.port), "-s", "--no-vhost-buckets", "--configure-bucket", "bucket"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def answers():
            assert self.process.poll() is None, "the loopback S3 has ended"
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10):
                    return True
            except OSError:
                return False

        until(answers, "the loopback S3")

    def stop(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        self.front.shutdown()
        self.front.server_close()

    def environment(self):
        return {"S3_ENDPOINT": self.endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER"}


class Machine:
    """One machine: a volume with the database, and what runs on it by entrypoint.sh. It may be lost at any moment, and another one takes its place."""

    def __init__(self, folder, replica, environment=None, name="machine"):
        self.volume = folder / name
        self.volume.mkdir()
        self.db = self.volume / "app.db"
        self.sockets = tempfile.TemporaryDirectory(prefix="wfs")  # short: a socket's path has 107 bytes
        self.socket = str(Path(self.sockets.name) / "s")
        self.log = folder / f"{name}.log"
        self.process = None
        module = Path(extension_path())
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **(environment or {}), "PATH": f"{binary().parent}:{os.environ['PATH']}", "DB": str(self.db), "REPLICA": replica, "SOCKET": self.socket,
            "WFEXT": str(module.with_suffix("")), "PYTHONDONTWRITEBYTECODE": "1",
        }

    def entrypoint(self, *arguments, **environment):
        return subprocess.run(["bash", str(EXAMPLE / "entrypoint.sh"), *arguments], env={**self.environment, **environment}, capture_output=True, text=True, timeout=300)

    def start(self, *application, **environment):
        """entrypoint.sh run <application>, in a process group of its own."""
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(["bash", str(EXAMPLE / "entrypoint.sh"), "run", *map(str, application)], env={**self.environment, **environment}, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def until(self, condition, what):
        """Waits for a state while it runs."""
        return until(lambda: condition() or (self.process.poll() is not None and pytest.fail(f"it has ended: {self.log.read_text()[-3000:]}")), what)

    def cut_off(self):
        """All of its processes end at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def destroy(self):
        """The volume is gone, and what ran on it."""
        self.cut_off()
        shutil.rmtree(self.volume)
        self.volume.mkdir()

    def close(self):
        if self.process is not None:
            self.cut_off()
        self.sockets.cleanup()


def database(path):
    """A connection as the pages want it beside Litestream, with a busy timeout."""
    from .database import open_database

    db = open_database(path, timeout=30)
    db.execute("PRAGMA synchronous = full")
    return db
