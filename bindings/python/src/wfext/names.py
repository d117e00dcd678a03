"""Names of steps.

A step's name is taken when it is called, in the order of the code; the second of one name in one attempt is `name#2`, over all kinds (a sleep, a signal's name, a child's workflow). So a
replay finds its records only if the order of the calls is the same each time. It is, in a straight line of code. It is not where a name is repeated by branches that run side by side: then
whichever comes first takes the other's record. That is refused.
"""

from __future__ import annotations

import re
from typing import Any

from .errors import Nondeterminism, final

_counted = re.compile(r"#\d+$")
_LONGEST = 255  # bytes of a name, in the engine


def check_some_text(value: Any, what: str) -> str:
    """The text, which is not empty. `what` names it in errors. Of a member of a `class N(str, Enum)` it is the value, as the engine sees it: str() would say N.A."""
    if not isinstance(value, str) or not value:
        raise final(TypeError(f"{what} is {value!r}: it is a text"))
    return str.__str__(value)


def check_text(value: Any, what: str) -> str:
    """The text that something is found by."""
    text = check_some_text(value, what)
    length = len(text.encode("utf-8", "surrogatepass"))
    if length > _LONGEST:
        raise final(ValueError(f"{what} has {length} bytes, {_LONGEST} are allowed: {text[:60]!r}..."))
    return text


def check_name(name: Any, what: str = "a step") -> str:
    """The name, if it may be given by hand."""
    text = check_text(name, f"the name of {what}")
    if _counted.search(text):
        raise final(ValueError(f"the name {text!r} ends in # and a number, which are for repeated names"))
    return text


class _Use:
    __slots__ = ("count", "branch", "racy")

    def __init__(self, branch: Any, racy: bool):
        self.count = 1
        self.branch = branch
        self.racy = racy


class Names:
    """The names that one attempt has used.

    Who calls tells in which branch (a task, a thread) and what is in flight: `racy` is a moment at which one of several steps or waits side by side has settled and another has not, so that the
    order of what follows is that of their ends.
    """

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}
        self.in_flight = 0
        self._settled_beside = False

    def begins(self) -> None:
        """A step or a wait is in flight from now on."""
        self.in_flight += 1

    def settles(self) -> None:
        """It is no more."""
        self.in_flight -= 1
        self._settled_beside = self.in_flight > 0

    def drops(self) -> None:
        """It has never begun."""
        self.in_flight -= 1

    def take(self, name: str, branch: Any, in_order: bool = False) -> str:
        """`in_order`: the calls come in one order, in branches too, so that they are counted (items of a stream)."""
        racy = self._settled_beside and self.in_flight > 0
        use = self._uses.get(name)
        if use is None:
            self._uses[name] = _Use(branch, racy)
            return name
        if not in_order and (use.branch is not branch or use.racy or racy):
            raise Nondeterminism(
                f"WF_NONDETERMINISM: the step {name!r} is repeated by branches that run side by side, so a replay could give one the result of the other "
                "(or one was called before and is not awaited): "
                f"give each a name of its own (name=...), or use ctx.map({name!r}, items, fn)"
            )
        use.count += 1
        return f"{name}#{use.count}"
