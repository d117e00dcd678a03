"""What the runners in Python have in common: README.md says what the lines mean."""

import sys


def given():
    """The path of the module, the lines, the folder; or "version" alone."""
    return [*sys.argv[1:], None, None][:3]


def rows_of(db, sql, parameters):
    return db.execute(sql, parameters).fetchall()


def close(db):
    db.close()


def main(version, connect, run=rows_of, close=close, code=lambda error: getattr(error, "sqlite_errorcode", "?")):
    """What was asked for by the arguments: the version of SQLite alone, or play()."""
    module, lines, folder = given()
    if module == "version":
        print(version)
    else:
        play(lines, folder, connect, run, close, code)


def decode(cell, kept):
    kind, rest = cell[:1], cell[1:]
    return {
        "n": lambda: None,
        "i": lambda: int(rest),
        "r": lambda: float(rest),
        "t": lambda: bytes.fromhex(rest).decode(),
        "b": lambda: bytes.fromhex(rest),
        "k": lambda: kept[rest],
    }[kind]()


def encode(value):
    if value is None:
        return "n"
    if isinstance(value, int):
        return "i%d" % value
    if isinstance(value, float):
        return "r%r" % value
    return "t" + value.encode().hex() if isinstance(value, str) else "b" + bytes(value).hex()


def play(lines, folder, connect, run, close, code):
    """connect(path) gives a connection; run(connection, sql, parameters) its rows; code(error) is SQLite's result code."""
    path, open_now, closed, kept, last = None, {}, set(), {}, None

    def end_case():
        for name in set(open_now) - closed:
            close(open_now[name])

    for line in open(lines, encoding="utf-8", newline="\n"):
        op, *fields = line.rstrip("\n").split("\t")
        if op == "case":
            end_case()
            path, open_now, closed, kept = "%s/%s.db" % (folder, fields[0]), {}, set(), {}
        elif op == "open":
            open_now[fields[0]] = connect(path)
            closed.discard(fields[0])
        elif op == "close":
            close(open_now[fields[0]])
            closed.add(fields[0])
        elif op == "keep":
            kept[fields[0]] = last
        else:
            try:
                rows = [tuple(row) for row in run(open_now[fields[0]], fields[1], [decode(cell, kept) for cell in fields[2:]])]
                last = rows[0][0] if rows else None
                print("\t".join(["=%d" % len(rows), *(encode(value) for row in rows for value in row)]))
            except Exception as error:
                print("!%s\t%s" % (code(error), str(error).encode().hex()))
    end_case()
    sys.stdout.flush()
