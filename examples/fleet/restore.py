"""Brings the files of a fleet back from a replica of Litestream, several at once.

    python3 restore.py REPLICA FOLDER --library libwfext

REPLICA is the folder or the prefix below which each file has its own replica, as a `dir` entry of Litestream's configuration makes it:
file:///mnt/replica/agents, or s3://bucket/agents with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION (us-east-1) and, for others than Amazon, S3_ENDPOINT.

Each file is restored in a place of its own with the full check, and recovered, so that no token given out before is accepted again; only then does it come to its
name. So what is there is whole, and this may be killed at any moment and run again: it goes on with what is missing. What is there already is left alone.
One that cannot be restored holds up no other. The exit code is 0 if all are there. Python's standard library, Litestream 0.5.18 or later, and the extension.
"""

import argparse
import concurrent.futures
import contextlib
import datetime
import fnmatch
import hashlib
import hmac
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import xml.etree.ElementTree
from pathlib import Path

OLDEST = (0, 5, 18)  # before, replicas could be broken without a word
WORKSHOP = ".restoring"


class Failed(Exception):
    """What is to be told of one file, or of all."""


# ---- The replica ----------------------------------------------------------------------------------------------------

class Folder:
    def __init__(self, url):
        self.url, self.path = url.rstrip("/"), Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))

    def names(self):
        if not self.path.is_dir():
            raise Failed(f"{self.path} is no folder")
        return sorted(entry.name for entry in self.path.iterdir() if (entry / "ltx").is_dir())

    def url_of(self, name):
        return self.url + "/" + urllib.parse.quote(name)


class Bucket:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.bucket, self.prefix = parts.netloc, parts.path.strip("/")
        self.region = os.environ.get("AWS_REGION", "us-east-1")
        self.endpoint = os.environ.get("S3_ENDPOINT", "").rstrip("/")
        try:
            self.key, self.secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        except KeyError as missing:
            raise Failed(f"{missing.args[0]} is not set")

    def get(self, query):
        """GET of the bucket, signed (AWS Signature Version 4)."""
        host = urllib.parse.urlsplit(self.endpoint or f"https://s3.{self.region}.amazonaws.com")
        when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        path, nothing = "/" + self.bucket, hashlib.sha256(b"").hexdigest()
        query = "&".join(f"{urllib.parse.quote(k, safe='')}={urllib.parse.quote(v, safe='')}" for k, v in sorted(query.items()))
        headers = {"host": host.netloc, "x-amz-content-sha256": nothing, "x-amz-date": when}
        names = ";".join(headers)
        canonical = "\n".join(["GET", path, query, *(f"{k}:{v}" for k, v in headers.items()), "", names, nothing])
        scope = f"{when[:8]}/{self.region}/s3/aws4_request"
        key = ("AWS4" + self.secret).encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = "\n".join(["AWS4-HMAC-SHA256", when, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{host.scheme}://{host.netloc}{path}?{query}", headers=headers), timeout=60) as answer:
                return xml.etree.ElementTree.fromstring(answer.read())
        except (OSError, xml.etree.ElementTree.ParseError) as error:
            raise Failed(f"s3://{self.bucket} cannot be listed: {error}")

    def list(self, prefix, **more):
        """What follows `prefix`, up to the next '/'."""
        query, found = {"list-type": "2", "prefix": prefix, **more}, set()
        while True:
            answer = self.get(query)
            for path in [*answer.iterfind("{*}CommonPrefixes/{*}Prefix"), *answer.iterfind("{*}Contents/{*}Key")]:
                name, below, _ = path.text[len(prefix):].partition("/")
                found |= {name} if below else set()
            if answer.findtext("{*}IsTruncated") != "true":
                return found
            query["continuation-token"] = answer.findtext("{*}NextContinuationToken")

    def names(self):
        prefix = self.prefix + "/" if self.prefix else ""
        # (A server that cannot put them together lists every object.)
        return sorted(self.list(prefix, delimiter="/") or self.list(prefix))

    def url_of(self, name):
        more = {"region": self.region, **({"endpoint": self.endpoint, "forcePathStyle": "true"} if self.endpoint else {})}
        path = urllib.parse.quote("/".join(filter(None, [self.prefix, name])))
        return f"s3://{self.bucket}/{path}?{urllib.parse.urlencode(more)}"


def replica_of(url):
    if url.startswith("file:///"):
        return Folder(url)
    if re.match(r"s3://[^/]+", url):
        return Bucket(url)
    raise Failed(f"the replica must be file:///path or s3://bucket/path, not {url}")


# ---- One file -------------------------------------------------------------------------------------------------------

def recover(path, library, pause):
    """wf_recover, where there is anything of ours in it; nothing is left beside the file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        said = None
        if db.execute("SELECT count(*) FROM sqlite_master WHERE name = '_wf_meta'").fetchone()[0]:
            db.enable_load_extension(True)
            db.load_extension(str(library))
            said, = db.execute("SELECT wf_recover(?)", (json.dumps({"pause": pause}),)).fetchone()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if os.path.exists(f"{path}-wal") and os.path.getsize(f"{path}-wal"):
        raise Failed("its -wal did not go into it")
    return said


def restore(replica, name, folder, workshop, arguments):
    place = folder / name
    if place.exists():
        return "there"
    for suffix in ("-wal", "-shm", "-journal"):
        if (folder / (name + suffix)).exists():
            raise Failed(f"{name}{suffix} is left of another file, and would be taken for a part of this one: move it away")
    new = workshop / name
    done = subprocess.run([arguments.litestream, "restore", "-integrity-check", "full", "-o", str(new), replica.url_of(name)], capture_output=True, text=True)
    if done.returncode != 0 or not new.exists():
        raise Failed(((done.stderr or done.stdout).strip().splitlines() or [f"litestream has ended with {done.returncode}"])[-1])
    said = recover(new, arguments.library, arguments.pause)
    with open(new, "rb") as file:
        os.fsync(file.fileno())
    os.rename(new, place)
    return f"restored {said or 'no workflows in it'}"


# ---- All of them ----------------------------------------------------------------------------------------------------

def check_litestream(program):
    try:
        said = subprocess.run([program, "version"], capture_output=True, text=True).stdout.strip()
    except OSError as error:
        raise Failed(f"{program} does not run: {error}")
    version = tuple(map(int, re.findall(r"\d+", said)[:3]))
    if version < OLDEST:
        raise Failed(f"Litestream must be {'.'.join(map(str, OLDEST))} or later, this is '{said}'")


def restore_all(arguments):
    check_litestream(arguments.litestream)
    replica = replica_of(arguments.replica)
    names = [name for name in replica.names() if fnmatch.fnmatch(name, arguments.pattern)]
    if not names:
        raise Failed(f"there is no replica below {arguments.replica}")
    folder = Path(arguments.folder)
    (folder / WORKSHOP).mkdir(parents=True, exist_ok=True)
    with open(folder / WORKSHOP / "lock", "w") as lock:
        with contextlib.suppress(ImportError):
            import fcntl
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Failed(f"another restore of {folder} is at work")
        for left in (folder / WORKSHOP).iterdir():     # of one that was killed; what still writes there writes to nobody
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
        workshop = Path(tempfile.mkdtemp(dir=folder / WORKSHOP))
        bad = 0
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            under_way = {pool.submit(restore, replica, name, folder, workshop, arguments): name for name in names}
            for done in concurrent.futures.as_completed(under_way):
                try:
                    said = done.result()
                except (Failed, OSError, sqlite3.Error) as error:
                    bad += 1
                    said = f"FAILED {error}"
                print(f"{under_way[done]}: {said}", flush=True)
        shutil.rmtree(workshop, ignore_errors=True)
    if hasattr(os, "O_DIRECTORY"):
        directory = os.open(folder, os.O_DIRECTORY)
        os.fsync(directory)
        os.close(directory)
    print(f"{len(names) - bad} of {len(names)} are there")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("replica", help="file:///path or s3://bucket/path")
    parser.add_argument("folder")
    parser.add_argument("--library", default="libwfext", help="the extension")
    parser.add_argument("--litestream", default="litestream", help="the program")
    parser.add_argument("--pattern", default="*", help="of the names of files")
    parser.add_argument("--jobs", type=int, default=4, help="files at once")
    parser.add_argument("--pause", action="store_true", help="every workflow stays paused until it has been looked at")
    try:
        return restore_all(parser.parse_args())
    except Failed as failed:
        print(f"restore: {failed}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
