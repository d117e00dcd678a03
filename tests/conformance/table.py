"""Writes docs/hosts.md: plays the cases in every host that is here, and puts the table and the lines to load between the page's markers.

What is not here keeps its row. `make hosts` installs all of them first.
"""

import re
import sys
import tempfile
from pathlib import Path

from conformance import HERE, load, play
from hosts import HOST, RUNNERS

PAGE = HERE.parents[1] / "docs" / "hosts.md"
HEAD = ["host", "driver", "SQLite", "how to load", "cases", "passed", "traps"]
FENCE = {".py": "python no-run", ".mjs": "js", ".go": "go", ".rb": "ruby", ".php": "php", ".pl": "perl", ".tcl": "tcl", ".R": "r", ".java": "java", ".rs": "rust"}


def recipe(host):
    """The lines by which the runner loads the module, as a block."""
    file = RUNNERS / host.runner
    found = re.search(r"^( *)(?://|#) \[load\]\n(.*?)^ *(?://|#) \[/load\]", file.read_text(), re.DOTALL | re.MULTILINE)
    code = re.sub("^" + found.group(1), "", found.group(2), flags=re.MULTILINE)
    fence = "text" if host.runner == "shell.py" else FENCE[file.suffix]
    return "```%s\n%s\n```\n" % (fence, code.strip("\n"))


def first_of(host):
    """Hosts of one runner share their lines: the name of the first of them."""
    return next(name for name, other in HOST.items() if other.runner == host.runner)


def link(host):
    title = first_of(host)
    return "[lines](#%s)" % re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def rows(page):
    """{host: {column: cell}} of the table that stands in the page."""
    found = {}
    for line in part(page, "table").splitlines()[2:]:
        cells = dict(zip(HEAD, [cell.strip() for cell in line.strip("|").split(" | ")]))
        found[", ".join(filter(None, (cells["host"], cells["driver"])))] = cells
    return found


def part(page, name):
    return re.search(r"<!-- made by make hosts: %s -->\n(.*?)<!-- end of %s -->" % (name, name), page, re.DOTALL).group(1)


def with_part(page, name, text):
    head, tail = "<!-- made by make hosts: %s -->\n" % name, "<!-- end of %s -->" % name
    return page[: page.index(head) + len(head)] + text + page[page.index(tail) :]


def main(module):
    page = PAGE.read_text()
    old, table = rows(page), []
    for name, host in HOST.items():
        command = host.command()
        if command:
            with tempfile.TemporaryDirectory() as folder:
                failed = play(command, module, Path(folder))
            for case, wrong in failed.items():
                print("%s: %s: %s" % (name, case, wrong if case not in host.differs else "as known"))
            row = [host.version(command), link(host), str(len(load())), str(len(load()) - len(failed))]
        else:
            print("%s: not here, its row stays" % name)
            row = [old.get(name, {}).get("SQLite", ""), link(host), *(old.get(name, {}).get(column, "") for column in ("cases", "passed"))]
        table.append("| " + " | ".join([host.name, host.driver, *row, host.traps]) + " |\n")
        print(table[-1], end="")
    lines = ["| " + " | ".join(HEAD) + " |\n", "|" + "---|" * len(HEAD) + "\n", *table]
    recipes = "\n".join("### %s\n\n%s" % (name, recipe(host)) for name, host in HOST.items() if name == first_of(host))
    PAGE.write_text(with_part(with_part(page, "table", "".join(lines)), "recipes", recipes))


if __name__ == "__main__":
    main(sys.argv[1])
