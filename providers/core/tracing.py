"""How a step is found again: the ids of calls, jobs and images, the facts in its log lines, and its span.

An id is a kind and a UUID in lower-case base 32, sorted by time. The facts that every log line of a call or a job has
(its caller, its job, the vendor's request id) belong to the running task, and to the tasks that it starts. Spans go to
a tracer that the program installs; without one a span is a call that does nothing. The library imports no tracing SDK;
`server/observability/tracing.py` installs one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from functools import wraps
from types import MappingProxyType
from typing import Any, Literal, ParamSpec, Protocol, TypeVar
from uuid import UUID

LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32
LENGTH = 26  # of 128 bits in base 32


def new_id(kind: str) -> str:
    """Return a new id, such as `img_` and 26 characters: a UUID of version 7 (RFC 9562), so that ids sort by time."""
    ms, entropy = time.time_ns() // 1_000_000, secrets.randbits(74)
    number = ms << 80 | 0x7 << 76 | entropy >> 62 << 64 | 0b10 << 62 | entropy & (1 << 62) - 1
    return id_of(kind, UUID(int=number))


def id_of(kind: str, uuid: UUID) -> str:
    """Return the id of a UUID."""
    letters, number = "", uuid.int
    for _ in range(LENGTH):
        letters, number = LETTERS[number & 31] + letters, number >> 5
    return f"{kind}_{letters}"


def uuid_of(id: str) -> UUID:
    """Return the UUID of an id. Raises ValueError if it is none."""
    kind, _, letters = id.partition("_")
    number = 0
    for letter in letters:
        number = number << 5 | LETTERS.index(letter)
    uuid = UUID(int=number)
    if id_of(kind, uuid) != id:
        raise ValueError(f"{id!r} is not an id")
    return uuid


def is_id(word: str) -> bool:
    """Whether a word is an id of any kind."""
    try:
        uuid_of(word)
    except ValueError:
        return False
    return True


def time_of(uuid: UUID) -> float:
    """Return the time of a UUID of version 7, in seconds since 1970."""
    return (uuid.int >> 80) / 1000


_facts: ContextVar[Mapping[str, str]] = ContextVar("_facts", default=MappingProxyType({}))


def context_facts() -> Mapping[str, str]:
    """Return the facts of the running task."""
    return _facts.get()


def start_context(**facts: str | None) -> None:
    """Replace the facts; None is left out."""
    _facts.set(_present(facts))


def add_context(**facts: str | None) -> None:
    """Add facts, or replace those of the same name; None is left out."""
    _facts.set({**_facts.get(), **_present(facts)})


def _present(facts: Mapping[str, str | None]) -> dict[str, str]:
    return {name: fact for name, fact in facts.items() if fact}


Kind = Literal["internal", "client"]
"""A step of this process, or a request to another one."""

Attributes = Mapping[str, str | int | float | bool | None]
"""None is left out. Names are those of OpenTelemetry's conventions where they have one, else begin with `atelier.`"""

P = ParamSpec("P")
Result = TypeVar("Result")


class Span(Protocol):
    """One step, with its beginning, its end and its parent."""

    @property
    def trace_id(self) -> str | None:
        """The id of the trace, in hexadecimal digits."""
        ...

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        ...

    def fail(self, error: BaseException) -> None:
        """Mark the step as failed."""
        ...


class Tracer(Protocol):
    """Begins spans, each a child of the one that the running task is in."""

    records_prompts: bool

    def span(self, name: str, attributes: Attributes, kind: Kind) -> AbstractContextManager[Span]:
        """Record what happens within the block. An exception that leaves it is the span's failure."""
        ...

    def current(self) -> Span:
        """Return the span that the running task is in."""
        ...


class _NoSpan:
    """A span that is not recorded."""

    trace_id = None

    def set(self, attributes: Attributes) -> None:
        """Do nothing."""

    def fail(self, error: BaseException) -> None:
        """Do nothing."""


_NO_SPAN = _NoSpan()
_UNRECORDED = nullcontext(_NO_SPAN)


class _NoTracer:
    """The tracer until one is installed."""

    records_prompts = False

    def span(self, name: str, attributes: Attributes, kind: Kind) -> AbstractContextManager[Span]:
        """Return a block that records nothing."""
        return _UNRECORDED

    def current(self) -> Span:
        """Return a span that is not recorded."""
        return _NO_SPAN


_tracer: Tracer = _NoTracer()


def install(tracer: Tracer) -> None:
    """Record spans with this tracer from now on."""
    global _tracer
    _tracer = tracer


def span(name: str, attributes: Attributes | None = None, *, kind: Kind = "internal") -> AbstractContextManager[Span]:
    """Record what happens within the block as a span; see `Tracer`."""
    return _tracer.span(name, attributes or {}, kind)


def current_span() -> Span:
    """Return the span that the running task is in."""
    return _tracer.current()


def records_prompts() -> bool:
    """Whether the operator wants prompts in spans."""
    return _tracer.records_prompts


def traced(name: str) -> Callable[[Callable[P, Awaitable[Result]]], Callable[P, Coroutine[Any, Any, Result]]]:
    """Return a decorator that records each call of an async function as a span."""

    def decorate(function: Callable[P, Awaitable[Result]]) -> Callable[P, Coroutine[Any, Any, Result]]:
        @wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> Result:
            with span(name):
                return await function(*args, **kwargs)

        return run

    return decorate
