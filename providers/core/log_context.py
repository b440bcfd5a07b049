"""Facts that every log line of a call or a job has: its caller, its job, the vendor's request id.

They belong to the running task, and to the tasks that it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

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
