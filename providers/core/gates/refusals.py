"""The words of a refusal that several gates have in common."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Model


def unsupported(option: str, value: object, model: Model, offered: Iterable[str], hint: str = "") -> ImageError:
    """An option, or a value of one, that a model does not support; None for the value means the option as a whole."""
    what = f"{option}={truncate(str(value))}" if value is not None else option
    offered = list(offered)
    usual = f"It supports: {', '.join(offered)}." if offered else "Leave it out, or use a model that supports it."
    return ImageError(
        Reason.UNSUPPORTED_OPTION,
        f"{model.id} does not support {what}.",
        hint=hint or usual,
        facts={"option": option, "offered": offered},
    )


def truncate(text: str) -> str:
    """A caller's words in a sentence of ours."""
    return text if len(text) <= 40 else text[:39] + "…"


def close_names(wanted: str, known: Iterable[str]) -> list[str]:
    """At most three names that are spelled nearly like the one that was asked for."""
    return difflib.get_close_matches(wanted, list(known), n=3, cutoff=0.6)


def did_you_mean(names: list[str]) -> str:
    """A hint that asks for one of some names; empty without any."""
    return f"Did you mean {' or '.join(f'“{name}”' for name in names)}?" if names else ""
