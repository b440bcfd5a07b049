"""Find the ended model that a name means which is written in another way than the vendor's: `DALL·E 3`, `dalle`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Model
from atelier.providers.vendors.contract import Provider


def ended_model(providers: Iterable[Provider], wanted: str, today: date) -> tuple[Provider, Model] | None:
    """Return the retired model whose name has the same letters and digits, with its vendor; None without one.

    Raises model_retired for the name of a family that its vendor has ended.
    """
    letters = _letters(wanted)
    for provider in providers:
        if provider.qualified:
            continue
        for row in provider.models:
            if row.lifecycle.at(today) == "retired" and letters in map(_letters, (row.id, *row.aliases)):
                return provider, row
        for family in provider.ended_names:
            if letters == _letters(family):
                message, hint = f"{provider.title} has ended {family}.", f"Use {provider.default} instead."
                raise ImageError(Reason.MODEL_RETIRED, message, hint=hint, facts={"successor": provider.default})
    return None


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
