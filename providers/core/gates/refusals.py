"""Errors and hints that several gates share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Model

MIN_LIKENESS = 0.65
"""How alike two names are, from 0 to 1, where one is suggested for the other."""


def unsupported(option: str, value: object, model: Model, offered: Iterable[str], hint: str = "") -> ImageError:
    """Return the error for an unsupported value of an option, or with None for the option as a whole."""
    named = f"{option}={truncate(str(value))}" if value is not None else option
    offered = list(offered)
    usual = f"It supports: {', '.join(offered)}." if offered else "Leave it out, or use a model that supports it."
    return ImageError(
        Reason.UNSUPPORTED_OPTION,
        f"{model.id} does not support {named}.",
        hint=hint or usual,
        facts={"option": option, "offered": offered},
    )


def truncate(text: str) -> str:
    """Shorten a caller's text for a message."""
    return text if len(text) <= 40 else text[:39] + "…"


def close_names(wanted: str, known: Iterable[str]) -> list[str]:
    """Return at most three known names that are spelled like the wanted one."""
    return difflib.get_close_matches(wanted, list(known), n=3, cutoff=MIN_LIKENESS)


def did_you_mean(names: list[str]) -> str:
    """Return a hint that suggests these names; empty without any."""
    return f"Did you mean {' or '.join(f'“{name}”' for name in names)}?" if names else ""
