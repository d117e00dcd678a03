"""A loopback S3, for tests and the demo: s3rver from npm, which scripts/setup.sh litestream installs. (Node and Python's standard library.)"""

import http.client
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SERVER = Path(__file__).resolve().parents[2] / "build/litestream/node_modules/s3rver/bin/s3rver.js"


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
        if not SERVER.exists():
            raise FileNotFoundError(SERVER)
        self.folder, self.process = folder, None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.front = Quiet(("127.0.0.1", 0), type("Front", (WholeObjects,), {"port": self.port}))
        threading.Thread(target=self.front.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.front.server_address[1]}"
        self.direct = f"http://127.0.0.1:{self.port}"  # without that
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["node", str(SERVER), "-d", str(self.folder), "-a", "127.0.0.1", "-p", str(self.port), "-s", "--no-vhost-buckets", "--configure-bucket", "bucket"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def answers():
            assert self.process.poll() is None, "the loopback S3 has ended"
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10):
                    return True
            except OSError:
                return False

        end = time.monotonic() + 120
        while not answers():
            assert time.monotonic() < end, "the loopback S3 does not answer"
            time.sleep(0.01)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        self.front.shutdown()
        self.front.server_close()

    def environment(self):
        return {"S3_ENDPOINT": self.endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "S3RVER", "AWS_SECRET_ACCESS_KEY": "S3RVER"}
