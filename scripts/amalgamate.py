#!/usr/bin/env python3
"""Writes the whole extension as one file, wfext.cpp, and its public header, wfext.h.

    scripts/amalgamate.py <folder with the embedded sql_statements.*> <folder to write to>

The files of ext/ stand in it one behind the other, the entry point first; what they include of each other stands where it is included first. So all of it is one
translation unit, and names have to be unique beyond their file: the compiler says which are not. The same sources give the same bytes.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXT = ROOT / "ext"

HEAD = """\
/* wfext {version}: durable workflows as a SQLite extension, all of it in one file. Made by `make amalgamation`; not to be edited.
**
** {licence}
**
** Compile it as C++20, with the sqlite3ext.h and sqlite3.h of SQLite 3.38 or later beside it; what is built runs on SQLite 3.31 and later.
**
** A module that SQLite loads:
**     c++ -std=c++20 -Os -DNDEBUG -fPIC -fno-exceptions -fno-rtti -fno-threadsafe-statics -ffp-contract=off -fvisibility=hidden -shared wfext.cpp -o libwfext.so
** An object to be linked into a program that has SQLite in it (wfext.h says how it is registered):
**     c++ -std=c++20 -Os -DNDEBUG -DSQLITE_CORE -fno-exceptions -fno-rtti -fno-threadsafe-statics -ffp-contract=off -c wfext.cpp
**
** It needs no C++ run-time library once it is optimized: link with `cc`, and -lm. */
#ifndef SQLITE_CORE
#ifndef wfext_EXPORTS
#define wfext_EXPORTS
#endif
#endif

"""


def hidden(line):
    """What is not to be seen from outside says so itself: nobody has to know a flag."""
    line = re.sub(r"^namespace wf \{", "namespace wf WF_HIDDEN {", line)
    line = re.sub(r"^namespace wf::(\w+) \{", r"namespace wf { namespace \1 WF_HIDDEN {", line)
    return re.sub(r"^\}  // namespace wf::(\w+)$", r"}}  // namespace wf::\1", line)


class Amalgamation:
    def __init__(self, embedded):
        self.embedded = embedded
        self.seen = set()
        self.lines = []

    def add(self, path, name, under_condition=False):
        """What is included under a condition stands there, too, but may have to stand elsewhere again."""
        if name in self.seen:
            return
        if not under_condition:
            self.seen.add(name)
        once = name.endswith(".h") and "WF_ONCE_" + re.sub(r"\W", "_", name)
        self.lines.append(f"/* ---- {name} ---- */")
        if once:
            self.lines += [f"#ifndef {once}", f"#define {once}"]
        conditions = 0
        for line in path.read_text(encoding="utf-8").splitlines():
            conditions += bool(re.match(r"#if", line)) - line.startswith("#endif")
            included = re.match(r'#include "([^"]+)"', line)
            if included:
                self.add(*self.find(included.group(1)), under_condition or conditions > 0)
            elif line != "#pragma once":
                self.lines.append(hidden(line))
        if once:
            self.lines.append("#endif")

    def find(self, name):
        for folder in (EXT, self.embedded):
            if (folder / name).exists():
                return folder / name, name
        raise SystemExit(f"amalgamate: nobody knows where {name} is")


def main():
    embedded, out = map(Path, sys.argv[1:3])
    version = re.search(r'kVersion\[\] = "([^"]+)"', (EXT / "version.h").read_text()).group(1)
    licence = (ROOT / "LICENSE").read_text().strip().replace("\n", "\n** ").replace("** \n", "**\n")
    all_of_it = Amalgamation(embedded)
    sources = sorted(path.relative_to(EXT).as_posix() for path in EXT.rglob("*.cpp"))
    sources.remove("wfext.cpp")
    for name in ["wfext.cpp", *sources]:
        all_of_it.add(EXT / name, name)
    all_of_it.add(embedded / "sql_statements.cpp", "sql_statements.cpp")
    attribute = "#if defined(__GNUC__) && !defined(_WIN32)\n#define WF_HIDDEN __attribute__((visibility(\"hidden\")))\n#else\n#define WF_HIDDEN\n#endif\n\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / "wfext.cpp").write_text(HEAD.format(version=version, licence=licence) + attribute + "\n".join(all_of_it.lines) + "\n", encoding="utf-8", newline="\n")
    (out / "wfext.h").write_bytes((EXT / "wfext.h").read_bytes())


if __name__ == "__main__":
    main()
