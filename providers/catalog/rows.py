"""Models that no current row lists: the row of an unlisted one, and the ended one that a name means (`DALL·E 3`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from itertools import takewhile

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import CURRENT, Feature, Model, Operation
from atelier.providers.vendors.contract import Provider


def is_installed(package: str) -> bool:
    """Return whether a package that a vendor needs can be imported, without doing so; True if it needs none."""
    try:
        return not package or find_spec(package) is not None
    except ModuleNotFoundError:  # nor is the one around it
        return False


def unlisted_row(provider: Provider, id: str) -> Model:
    """Return a row for an unlisted model: the columns of the row with the nearest id; values are not checked.

    Where the vendor has `unlisted_operations`, the row has them too, with a mask and as many sources as any row.
    """
    if provider.unlisted:
        return replace(provider.unlisted, id=id)

    def similarity(row: Model) -> tuple[int, bool]:
        pairs = takewhile(lambda pair: pair[0] == pair[1], zip(row.id, id.lower(), strict=False))
        return len(list(pairs)), row.id == provider.default

    nearest = max(provider.models, key=similarity)
    row = replace(nearest, id=id, aliases=(), snapshots=(), lifecycle=CURRENT, any_value=True)
    if not (further := provider.unlisted_operations):
        return row
    features = row.features | {Feature.MASK} if Operation.INPAINT in further else row.features
    max_sources = max(provider.unlisted_sources, *(other.max_sources for other in provider.models))
    return replace(row, operations=row.operations | further, features=features, max_sources=max_sources)


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
