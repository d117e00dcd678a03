"""What a person has declared: steps and workflows, as the decorators of `App` make them of functions."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import inspect
import math
import re
import typing
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from . import tracing, values
from .errors import final
from .names import check_name, check_text

if TYPE_CHECKING:
    from .app import App
    from .client import Handle

P = ParamSpec("P")
R = TypeVar("R")

Duration = float | str | datetime.timedelta
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"\d+(?:\.\d+)?"
_duration = re.compile("(?=.)" + "".join(f"(?:{_NUMBER}{unit})?" for unit in _SECONDS), re.ASCII)
_part = re.compile(f"({_NUMBER})(ms|[dhms])", re.ASCII)


def duration(value: Any, what: str = "") -> float | str:
    """As the engine takes it: seconds, or a text such as '90s' or '7d'. `what` names it in errors."""
    of = f"{what}: " if what else ""
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise final(TypeError(f"{of}a duration is {value!r}: seconds, a text such as '90s' or '7d', or a timedelta"))
    if isinstance(value, float) and not math.isfinite(value):
        raise final(ValueError(f"{of}a duration is {value!r}: a number of seconds"))
    return value


def seconds(value: Any, what: str) -> float:
    """A duration that this package measures itself. `what` names it in errors."""
    given = duration(value, what)
    if isinstance(given, str):
        if not _duration.fullmatch(given):
            raise final(ValueError(f"{what}: a duration is {given!r}: seconds, a text such as '90s', '1h30m' or '7d', or a timedelta"))
        given = sum(float(number) * _SECONDS[unit] for number, unit in _part.findall(given))
    if not 0 <= given < float("inf"):
        raise final(ValueError(f"{what}: a duration is {given!r}: at least 0"))
    return float(given)


def whole(value: Any, what: str) -> int:
    """The whole number. `what` names it in errors."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} is {value!r}: a whole number")
    return value


def whole_from(least: int, value: Any, what: str) -> int:
    """The whole number, which is not less than `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{what} is {value!r}: a whole number from {least}")
    return value


def _exceptions(given: Any, what: str) -> tuple[type[BaseException], ...]:
    """One class of exceptions, or several in whatever holds them."""
    kinds = (given,) if isinstance(given, type) else tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise TypeError(f"{what} has {kind!r}: classes of exceptions")
    return kinds


def moment(value: datetime.datetime) -> str:
    """As the engine takes it."""
    if value.tzinfo is None:
        raise final(ValueError(f"{value!r} says no time zone"))
    return value.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


def _check_function(fn: Any, what: str) -> inspect.Signature:
    if not inspect.isroutine(fn):
        raise TypeError(f"{what} is made of a function, not of {fn!r}")
    if fn.__name__ == "<lambda>":
        raise TypeError(f"{what} is made of a function with a name: a lambda has none")
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise TypeError(f"{what} {fn.__qualname__} is a generator, which cannot be recorded")
    return inspect.signature(fn)


def _hints(fn: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(fn, include_extras=True)
    except Exception:  # a name that is not there at run time: then annotations say nothing
        return {}


class Step(Generic[P, R]):
    """A function whose result is recorded once for each call of it in a workflow.

    Called in a workflow it is a step; inside of another step, and as `step.fn(...)` anywhere, it is the plain function.
    """

    def __init__(
        self,
        fn: Callable[..., R],
        *,
        kind: str = "step",
        name: str | None = None,
        attempts: int = 1,
        backoff: Duration | None = None,
        retry_on: type[BaseException] | Iterable[type[BaseException]] = (Exception,),
        timeout: Duration | None = None,
        in_doubt: str = "retry",
        durable: bool = False,
    ):
        _check_function(fn, f"a {kind}")
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.kind = kind
        self.name = check_name(fn.__name__ if name is None else name)
        self.is_async = inspect.iscoroutinefunction(fn)
        if whole(attempts, f"{self.name}: attempts") < 1:
            raise ValueError(f"{self.name}: attempts is {attempts}, at least 1")
        if timeout is not None and not self.is_async:
            raise TypeError(f"{self.name}: a timeout needs an async function; a plain one cannot be stopped")
        if kind == "transaction" and self.is_async:
            raise TypeError(f"{self.name}: a transaction is a plain function: it is run by the thread of the database")
        if in_doubt not in ("retry", "hold", "fail"):
            raise ValueError(f"{self.name}: in_doubt is {in_doubt!r}: retry, hold or fail")
        if not isinstance(durable, bool):
            raise TypeError(f"{self.name}: durable is {durable!r}: true or false")
        if durable and kind != "effect":
            raise TypeError(f"{self.name}: durable is for effects, whose record comes before them")
        self.durable = durable
        self.attempts = attempts
        self.backoff = None if backoff is None else seconds(backoff, f"{self.name}: backoff")
        self.retry_on = _exceptions(retry_on, f"{self.name}: retry_on")
        self.timeout = None if timeout is None else seconds(timeout, f"{self.name}: timeout")
        if self.timeout == 0:
            raise ValueError(f"{self.name}: timeout is {timeout!r}: more than 0 seconds")
        self.in_doubt = in_doubt
        self.returns = _hints(fn).get("return", Any)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        from .attempt import call_step

        return call_step(self, args, kwargs)  # type: ignore[no-any-return]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


@dataclasses.dataclass(frozen=True)
class StartOptions:
    """Options of a start, apart from the workflow's own parameters. None: the engine's default."""

    id: str | None = None
    queue: str | None = None
    priority: int | None = None
    delay: Duration | None = None
    at: datetime.datetime | str | None = None
    timeout: Duration | None = None
    max_attempts: int | None = None
    max_failures: int | None = None
    backoff: dict[str, Any] | None = None
    manual: bool | None = None
    partition: str | None = None
    dedup: str | None = None
    headers: dict[str, Any] | None = None
    tags: dict[str, str] | None = None
    version: str | None = None
    if_exists: str | None = None
    detached: bool | None = None  # of a child: it goes on when its parent is cancelled

    def given(self) -> dict[str, Any]:
        """Those that are set, as the engine takes them."""
        out: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if field.name in ("delay", "timeout"):
                value = duration(value, field.name)
            elif isinstance(value, datetime.datetime):
                value = moment(value)
            out[field.name] = value
        headers = tracing.headers(self.headers)
        if headers is not None:
            out["headers"] = headers
        return out


class Workflow(Generic[P, R]):
    """A function that survives the process: it is run again from its beginning, and what it did is read back."""

    def __init__(self, app: App, fn: Callable[..., Any], *, name: str | None = None, queue: str = "default", defaults: StartOptions = StartOptions(), undo: bool | None = None):
        signature = _check_function(fn, "a workflow")
        functools.update_wrapper(self, fn)
        self.app = app
        self.fn = fn
        self.name = check_name(fn.__name__ if name is None else name, "a workflow")
        self.is_async = inspect.iscoroutinefunction(fn)
        self.queue = check_text(queue, f"the queue of {self.name}")
        if undo is not None and not isinstance(undo, bool):
            raise TypeError(f"{self.name}: undo is {undo!r}: true or false")
        defaults.given()  # what is none of a duration is said where it is declared
        self.defaults = defaults
        # From its first record on, a failure or a cancel comes back to code that can undo something.
        self.undoes = "compensate" in fn.__code__.co_names if undo is None else undo
        parameters = list(signature.parameters.values())
        if not parameters or parameters[0].kind not in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
            raise TypeError(f"the workflow {self.name} takes its context as its first parameter")
        for parameter in parameters[1:]:
            if parameter.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
                raise TypeError(f"the workflow {self.name}: its parameter {parameter.name} has no name in the input (positional-only, *args and **kwargs cannot be)")
        self.signature = signature.replace(parameters=parameters[1:])
        self.hints = _hints(fn)
        self.returns = self.hints.get("return", Any)
        rest = parameters[1:]
        self.model = rest[0].name if len(rest) == 1 and values.is_model(self.hints.get(rest[0].name)) else None

    def input(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The input, as JSON text: an object by parameter, or what a single dataclass, TypedDict or model is."""
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise final(TypeError(f"the workflow {self.name}{self.signature}: {error}")) from None
        bound.apply_defaults()
        return values.dumps(bound.arguments[self.model] if self.model else bound.arguments, f"the input of {self.name}")

    def arguments(self, given: Any) -> dict[str, Any]:
        """The parameters that an input stands for. Raises TypeError, or what a model raises, where it does not fit: for good."""
        try:
            return self._arguments(given)
        except Exception as error:
            raise final(error)

    def _arguments(self, given: Any) -> dict[str, Any]:
        if self.model:
            return {self.model: values.convert(self.hints[self.model], given, f"the input of {self.name}")}
        if given is None:
            given = {}
        if not isinstance(given, dict):
            raise TypeError(f"the input of {self.name} is {given!r}: an object of its parameters {self.signature}")
        try:
            bound = self.signature.bind(**given)
        except TypeError as error:
            raise TypeError(f"the input of {self.name}{self.signature} does not fit: {error}") from None
        return {k: values.convert(self.hints.get(k, Any), v, f"the input of {self.name}, {k}") for k, v in bound.arguments.items()}

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Starts it and returns a handle."""
        return Bound(self, StartOptions()).start(*args, **kwargs)

    async def astart(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """The same for an event loop."""
        return await Bound(self, StartOptions()).astart(*args, **kwargs)

    def options(self, **options: Any) -> Bound[P, R]:
        """The workflow with options for its start: those of `StartOptions`."""
        return Bound(self, dataclasses.replace(self.defaults, **options))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{self.name} is a workflow: {self.name}.start(...), or ctx.call({self.name}, ...) in another; {self.name}.fn(...) is the plain function")

    def __repr__(self) -> str:
        return f"<workflow {self.name}>"


class Bound(Generic[P, R]):
    """A workflow with the options of its next starts."""

    def __init__(self, workflow: Workflow[P, R], options: StartOptions):
        self.workflow = workflow
        self.given = options

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any], id: str | None = None) -> tuple[str, str, str]:
        """Name, input and options for the engine; `id` where the options give none."""
        options = {"queue": self.workflow.queue, **({} if id is None else {"id": id}), **self.workflow.defaults.given(), **self.given.given()}
        if self.workflow.undoes:
            options["cleanup"] = True
        return self.workflow.name, self.workflow.input(args, kwargs), values.dumps(options)

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        return self.workflow.app.client._start(self, args, kwargs)

    async def astart(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        return await self.workflow.app.client._astart(self, args, kwargs)
