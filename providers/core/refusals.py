"""The words of a refusal that several gates have in common."""

from __future__ import annotations

from collections.abc import Iterable

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Model


def unsupported(option: str, value: object, model: Model, offered: Iterable[str], hint: str = "") -> ImageError:
    """An option, or a value of one, that a model does not offer; None for the value means the option as a whole."""
    what = f"{option} {short(str(value))}" if value is not None else option
    offered = list(offered)
    usual = f"It offers: {', '.join(offered)}." if offered else "Leave it out, or use a model that offers it."
    return ImageError(
        Reason.UNSUPPORTED_OPTION,
        f"{model.id} does not offer {what}.",
        hint=hint or usual,
        facts={"option": option, "offered": offered},
    )


def short(text: str) -> str:
    """A caller's words in a sentence of ours."""
    return text if len(text) <= 40 else text[:39] + "…"
