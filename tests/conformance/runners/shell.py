"""The sqlite3 shell, fed with one statement after the other through a pipe."""

import re
import subprocess

from protocol import given, play

module, lines, folder = given()
ERROR = re.compile(r"^(?:Runtime error|Parse error|Error)(?: near line \d+)?: (.*?)(?: \((\d+)\))?$", re.MULTILINE)
VALUE = re.compile(rb"(NULL)|X'([0-9a-fA-F]*)'|'((?:[^']|'')*)'|(-?[0-9]+)(?![0-9.e])|([-+0-9.einfINF]+)", re.DOTALL)
shell = None if module == "version" else subprocess.Popen(["stdbuf", "-o0", "sqlite3", ":memory:"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
names = {}  # which connections of the shell have a file


def say(*commands):
    shell.stdin.write("".join(command + "\n" for command in commands).encode())
    shell.stdin.write(b".print \x05\n")
    shell.stdin.flush()
    said = b""
    while not said.endswith(b"\x05\n"):
        piece = shell.stdout.read1(1 << 16)
        if not piece:
            raise SystemExit("the shell has ended: " + said.decode(errors="replace"))
        said += piece
    return said[:-2]


def connect(path):
    number = next(number for number in range(9) if not names.get(number))
    names[number] = True
    script = f"""
    # [load]
    .open {path}
    .load {module}
    # [/load]
    """
    said = say(".connection %d" % number, *(line.strip() for line in script.splitlines() if line.strip().startswith(".")), ".mode quote", ".bail off")
    if said:
        raise SystemExit(said.decode())
    return number


def close(number):
    """As a person closes a file: by opening another one."""
    names[number] = False
    say(".connection %d" % number, ".open :memory:")


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "CAST(x'%s' AS TEXT)" % value.encode().hex()
    return "x'%s'" % value.hex() if isinstance(value, bytes) else repr(value)


class Refused(Exception):
    pass


def run(number, sql, parameters):
    given = [".parameter clear", ".parameter init"] if parameters else []
    for at, value in enumerate(parameters, 1):
        given.append("INSERT INTO temp.sqlite_parameters VALUES('?%d', %s);" % (at, literal(value)))
    trouble = say(".connection %d" % number, *given)
    if trouble:
        raise SystemExit(trouble.decode())
    said = say(sql + ";")
    error = ERROR.search(said.decode(errors="replace"))
    if error:
        raise Refused(error.group(1), error.group(2) or "?")
    rows, at, row = [], 0, []
    while at < len(said):
        found = VALUE.match(said, at)
        null, blob, text, integer, real = found.groups()
        if null:
            row.append(None)
        elif blob is not None:
            row.append(bytes.fromhex(blob.decode()))
        elif text is not None:
            row.append(text.replace(b"''", b"'").decode())
        else:
            row.append(int(integer) if integer is not None else float(real))
        at = found.end() + 1
        if said[at - 1 : at] == b"\n":
            rows.append(row)
            row = []
    return rows


if module == "version":
    print(subprocess.run(["sqlite3", "--version"], capture_output=True, text=True).stdout.split()[0])
else:
    play(lines, folder, connect, run, close, lambda error: error.args[1] if len(error.args) > 1 else "?")
    shell.stdin.close()
    shell.wait()
