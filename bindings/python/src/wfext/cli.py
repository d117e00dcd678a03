"""The command `wfext`: `wfext status app.db`, `wfext worker module:app -p 4`. See docs/cli.md; its parts are in wfext.command."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; its exit code. What cannot be parsed raises SystemExit(2)."""
    import importlib

    from .command.arguments import HOMES, parse

    given = parse(arguments)
    for name in ("stdout", "stderr"):  # closed by who has started it
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))
    for stream in (sys.stdout, sys.stderr):  # a letter that the terminal does not know is no reason to fail
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    home = next(module for module, names in HOMES.items() if given.command in names.split())
    run = getattr(importlib.import_module(f".command.{home}", __package__), given.command + ("_" if given.command == "import" else ""))
    try:
        code = int(run(given))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read has gone; nothing is to be said about it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from .command.opening import failed

        return failed(error, given)


if __name__ == "__main__":
    sys.exit(main())
