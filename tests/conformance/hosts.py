"""The hosts in which the cases are played: how each is started, whether it is here, and which cases it cannot pass, and why."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings"))
from languages import CARGO, CARGO_TARGET, GO  # noqa: E402

RUNNERS = Path(__file__).resolve().parent / "runners"
BUILD = ROOT / "build"
HOSTS = BUILD / "hosts"  # what scripts/setup.sh hosts installs
RECIPES = BUILD / "recipes"  # and recipes


@dataclass
class Host:
    name: str
    driver: str
    runner: str  # in runners/; the lines between [load] and [/load] are shown in docs/hosts.md
    command: object  # what starts it, a list, or None: it is not here. Called with the folder for what it builds
    setup: str  # the purpose of scripts/setup.sh that installs it
    traps: str = ""
    differs: dict = field(default_factory=dict)  # case: why it cannot pass

    @property
    def deep(self):
        return self.setup == "hosts"

    def version(self, command):
        return subprocess.run([*command, "version"], capture_output=True, text=True, check=True).stdout.strip()


def python(runner, module, packages=HOSTS):
    """A runner in Python, with packages from a folder below build/."""

    def command():
        environment = {**os.environ, "PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"}
        if subprocess.run([sys.executable, "-c", "import " + module], env=environment, capture_output=True).returncode:
            return None
        return ["env", "PYTHONPATH=%s" % packages, "PYTHONDONTWRITEBYTECODE=1", "SQLITE3_MODULE=" + module, sys.executable, str(RUNNERS / runner)]

    return command


def program(name, runner, *arguments, test=()):
    """A runner that an interpreter of this name starts; `test` is a command that succeeds where what it needs is there."""

    def command():
        found = shutil.which(name)
        if not found or (test and subprocess.run([found, *test], capture_output=True, stdin=subprocess.DEVNULL).returncode):
            return None
        return [found, *arguments, str(RUNNERS / runner)]

    return command


def from_npm(pattern, runner, *arguments, package=None):
    """A runner that a program below build/ starts, both of npm."""

    def command():
        found = next(iter(sorted(BUILD.glob(pattern))), None)
        if not found or (package and not package.exists()):
            return None
        return [str(found), *arguments, str(RUNNERS / runner)]

    return command


def put(file, text):
    """Writes a file that may be in use, if it is not this already."""
    if not file.exists() or file.read_text() != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name("%s.%d" % (file.name, os.getpid()))
        new.write_text(text)
        os.replace(new, file)


def with_copy(command, runner, folder):
    """A runner in JavaScript finds packages by its own place: a copy of it beside them."""

    def copied():
        found = command()
        if found and folder.exists():
            for file in (runner, "protocol.mjs"):
                put(folder / file, (RUNNERS / file).read_text())
            return [part.replace(str(RUNNERS), str(folder)) for part in found]
        return None

    return copied


def go():
    """The runner in Go, built."""
    if GO is None:
        return None
    built = BUILD / "conformance-go"
    done = subprocess.run([GO, "build", "-o", str(built), "."], cwd=RUNNERS / "go", env={**os.environ, "CGO_ENABLED": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [str(built)]


def rust():
    """The runner in Rust, built where bindings/test_rust.py builds: both compile the same SQLite."""
    if CARGO is None:
        return None
    folder = BUILD / "conformance-rust"
    for file in ("Cargo.toml", "src/main.rs"):
        put(folder / file, (RUNNERS / "rust" / file).read_text())
    done = subprocess.run([CARGO, "build", "--quiet"], cwd=folder, env={**os.environ, "CARGO_TARGET_DIR": str(CARGO_TARGET)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [str(CARGO_TARGET / "debug" / "conformance")]


def old_sqlite(package):
    """Python's sqlite3 with the SQLite that is in a package of npm, built below build/."""

    def command():
        folder = subprocess.run(["bash", str(ROOT / "scripts" / "old-sqlite.sh"), package], capture_output=True, text=True, check=True).stdout.strip()
        library = Path(folder) / "libsqlite3.so.0"
        if not library.exists():
            flags = "-O1 -w -shared -fPIC -DSQLITE_ENABLE_JSON1 -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_DESERIALIZE -DSQLITE_USE_URI=1 -DHAVE_USLEEP=1"
            subprocess.run(["cc", *flags.split(), "-o", str(library) + ".new", folder + "/sqlite3.c", "-lm", "-ldl", "-lpthread"], check=True)
            os.replace(str(library) + ".new", library)
        return ["env", "LD_LIBRARY_PATH=" + folder, *HOST["Python, sqlite3"].command()]

    return command


def java():
    found, jars = shutil.which("java"), sorted((HOSTS / "java").glob("*.jar"))
    return [found, "-cp", ":".join(map(str, jars)), str(RUNNERS / "Java.java")] if found and jars else None


def tcl():
    found = shutil.which("tclsh")
    asked = found and subprocess.run([found], input="puts [package require sqlite3]", capture_output=True, text=True)
    return [found, str(RUNNERS / "tcl.tcl")] if asked and asked.stdout else None


NODE = "node/node_modules/node-*/bin/node"
CLOSED = ("a closed connection refuses", "a statement that is kept refuses after its connection was closed")
NUL = "a NUL character: an output escapes it, an input is refused"


def each(words, reason):
    """The cases that carry a value of this kind through the functions."""
    return {start + words: reason for start in ("the output of a step is ", "a result is ", "an input is ", "inside of JSON: ", "a named value is ", "an event carries ", "a stream carries ", "a signal carries ")}


WHOLE_REALS = each("a whole real", "3.0 is bound as the integer 3")
TCL = "Tcl 8.6 has no characters above U+FFFF"
ABOVE = [
    "a long input goes through a claim", "names above U+FFFF", "the last character, the byte order mark, separators", "text from right to left, and joined emoji",
    "unicode in the text of the statement", "names in options may be written with escapes", "errors name what was wrong", "an error's text is kept as a JSON string",
    "a statement is used again with other values", "a script waits and goes on",
]

LIST = [
    Host("sqlite3 shell", "", "shell.py", lambda: [sys.executable, str(RUNNERS / "shell.py")] if shutil.which("sqlite3") and shutil.which("stdbuf") else None, "test"),
    Host("Python", "sqlite3", "python_sqlite3.py", python("python_sqlite3.py", "sqlite3"), "test",
         "a Python that was built without extensions (pyenv's, macOS's) cannot load any. Without `isolation_level=None` a transaction is opened before INSERT, but not before `SELECT wf_...()`"),
    Host("Python", "apsw", "python_apsw.py", python("python_apsw.py", "apsw", RECIPES), "recipes", "a SQLite of its own: never beside `sqlite3` on one file"),
    Host("Python", "pysqlite3-binary", "python_sqlite3.py", python("python_sqlite3.py", "pysqlite3", HOSTS / "python"), "hosts", "`import pysqlite3 as sqlite3`; a SQLite of its own: never beside `sqlite3` on one file"),
    Host("Python", "aiosqlite", "python_aiosqlite.py", python("python_aiosqlite.py", "aiosqlite", RECIPES), "hosts",
         "`wf_wait` holds the only thread of its connection: queries behind it wait, and so does `close()`. Give it a connection of its own"),
    Host("Python", "SQLAlchemy", "python_sqlalchemy.py", python("python_sqlalchemy.py", "sqlalchemy", RECIPES), "hosts",
         "in its default mode a SELECT opens no transaction, so that `rollback()` does not undo `SELECT wf_start()`: AUTOCOMMIT, and BEGIN by hand"),
    Host("Python", "Django", "python_django.py", python("python_django.py", "django", RECIPES), "hosts", "opens a closed connection again by itself",
         {name: "it opens a closed connection again by itself" for name in CLOSED}),
    *(Host("Python", "sqlite3 on SQLite " + version, "python_sqlite3.py", old_sqlite(package), "hosts") for package, version in (("6.0.1", "3.31.1"), ("7.4.6", "3.37.0"), ("8.0.1", "3.40.0"))),
    Host("Go", "mattn/go-sqlite3", "go/main.go", go, "go", "cgo. The pool opens connections as it likes: what is one transaction runs on one `*sql.Conn` or `*sql.Tx`"),
    Host("Node 24", "node:sqlite", "node_sqlite.mjs", from_npm(NODE, "node_sqlite.mjs", "--disable-warning=ExperimentalWarning"), "node",
         "`setReadBigInts(true)` on each statement: without it an integer over 2^53 throws, and the step is recorded by then"),
    Host("Node 24", "better-sqlite3", "better_sqlite3.mjs", with_copy(from_npm(NODE, "better_sqlite3.mjs", package=BUILD / "node/node_modules/better-sqlite3"), "better_sqlite3.mjs", BUILD / "node"), "node",
         "`defaultSafeIntegers(true)`: without it integers over 2^53 are rounded silently. `?1` is bound by name, `{1: value}`; `?` in order. Version 13 wants Node 22"),
    Host("Bun", "bun:sqlite", "bun.mjs", from_npm("hosts/node_modules/@oven/bun-*/bin/bun", "bun.mjs"), "hosts",
         "`safeIntegers: true`: without it integers over 2^53 are rounded silently. A number without a fraction is bound as an integer: 3.0 is stored as 3",
         WHOLE_REALS),
    Host("Deno", "node:sqlite", "node_sqlite.mjs", from_npm("hosts/node_modules/@deno/*/deno", "node_sqlite.mjs", "run", "--allow-ffi", "--allow-read", "--allow-write", "--allow-env"), "hosts",
         "`--allow-ffi`; else as Node"),
    Host("Rust", "rusqlite", "rust/src/main.rs", rust, "rust", "the feature `load_extension`; or the [crate](../bindings/rust/README.md), which links the engine in"),
    Host("Ruby", "sqlite3", "ruby.rb", program("ruby", "ruby.rb", test=("-rsqlite3", "-e", "0")), "hosts"),
    Host("PHP", "SQLite3", "php.php", program("php", "php.php", "-d", "sqlite3.extension_dir={folder}", test=("-r", 'exit(class_exists("SQLite3") ? 0 : 1);')), "hosts",
         "`query()` and `execute()` run a call twice: [use `querySingle()`](#php-makes-each-call-twice)"),
    Host("Java", "xerial sqlite-jdbc", "Java.java", java, "hosts", "an error closes the prepared statement: prepare it again",
         {"a statement is used again after an error": "an error closes the statement"}),
    Host("Perl", "DBD::SQLite", "perl.pl", program("perl", "perl.pl", test=("-MDBD::SQLite", "-e", "1")), "hosts",
         "binds numbers by their text: 3.0 is stored as 3, and of a double 15 digits. `sqlite_string_mode`, or texts are bytes",
         WHOLE_REALS | {"the smallest and the largest reals": "15 digits"}),
    Host("Tcl", "sqlite3", "tcl.tcl", tcl, "hosts", "Tcl 8.6 mangles characters above U+FFFF, and NUL",
         each("characters above U+FFFF", TCL) | dict.fromkeys(ABOVE, TCL) | {NUL: "Tcl writes it as two bytes that are no UTF-8"}),
    Host("R", "RSQLite", "r.R", program("Rscript", "r.R", test=("-e", "library(RSQLite)")), "hosts",
         "`synchronous = NULL`: by itself it sets `off`, which loses work in a power cut. `bigint`: the default rounds. A column has the type of its first row, -2^63 is NA, no NUL in texts",
         each("-2^63", "-2^63 stands for NA") | {NUL: "R's texts hold none"}
         | dict.fromkeys(["export and import", "wf_steps, in order"], "a column has the type of its first row")),
]
HOST = {"%s, %s" % (host.name, host.driver) if host.driver else host.name: host for host in LIST}
