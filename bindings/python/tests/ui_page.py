"""The page as a process of its own, and what a browser or an attacker may say to it."""

import http.client
import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import wfext

ROOT = Path(__file__).resolve().parents[3]
LIBRARIES = ROOT / "build" / "ui"
NOT_SET_UP = "the page is not set up (scripts/setup.sh ui)"
IS_SET_UP = (LIBRARIES / "starlette").exists() and (LIBRARIES / "selenium").exists()

SERVE = """
import sys
import wfext.ui
files, options, before = eval(sys.argv[1])
exec(before, {})
wfext.ui.serve(files, port=0, **options)
"""


def environment(*more):
    return {
        **os.environ,
        "WFEXT_LIBRARY": os.path.abspath(wfext.loadable_path()),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "bindings/python/src"), *map(str, more), str(LIBRARIES)]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.text = body.decode("utf-8", "replace")

    def __repr__(self):
        return f"{self.status}: {self.text[:2000]}"


class Served:
    """A running page. `get` and `post` are a browser that has been let in; `ask` says exactly what it is told to."""

    def __init__(self, files, *, before="", **options):
        """`before`: a line of Python that is run in the process first, to make a limit small."""
        options = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
        files = [str(each) for each in files] if isinstance(files, list) else str(files)
        self.process = subprocess.Popen([sys.executable, "-c", SERVE, repr((files, options, before))], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http://"), self.process.stderr.read()
        parts = urlsplit(self.address)
        self.port = parts.port
        self.host = f"127.0.0.1:{parts.port}"
        self.origin = f"http://{self.host}"
        self.token = parts.query.removeprefix("token=")
        self.cookie = None
        entered = self.ask("GET", f"/?token={self.token}")
        if entered.status == 303:
            self.cookie = entered.headers["set-cookie"].split(";")[0]

    def ask(self, method, path, headers=None, body=None, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", host or self.host)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, {"Cookie": self.cookie, **{k.replace("_", "-"): v for k, v in headers.items()}})

    def post(self, action, fields=(), headers=None, **more):
        fields = [("action", action), *fields, *more.items()]
        head = {"Cookie": self.cookie, "Origin": self.origin, "Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.ask("POST", "/act", {k: v for k, v in head.items() if v is not None}, urlencode(fields).encode())

    def note(self, answer):
        """What the page says after an action."""
        assert answer.status == 303, answer
        return notes(self.get(answer.headers["location"].partition("#")[0]).text)

    def close(self):
        """Ends it; what it wrote to stderr: the log of actions, a line of JSON each."""
        self.process.terminate()
        said = self.process.communicate(timeout=30)[1]
        return [json.loads(line) if line.startswith("{") else line for line in said.splitlines()]


class _Notes(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []
        self.inside = False

    def handle_starttag(self, tag, attributes):
        if tag == "p" and dict(attributes).get("role") == "status":
            self.inside = True
            self.found.append("")

    def handle_data(self, data):
        if self.inside:
            self.found[-1] += data

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "p"


def notes(text):
    parser = _Notes()
    parser.feed(text)
    return [" ".join(each.split()) for each in parser.found]
