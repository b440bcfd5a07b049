"""Checks of the whole catalogue after a user's file has changed it: names are unique and defaults are not retired."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.names import name_conflict


def names_are_reachable(providers: Collection[Provider]) -> None:
    """Check that each name means one model, and none a vendor, which comes first. Raises invalid_request."""
    if conflict := name_conflict(providers):
        raise wrong("models", conflict.reason, conflict.hint)


def defaults_are_alive(providers: Iterable[Provider], today: date) -> None:
    """Check that these defaults are not retired today; one would be skipped silently. Raises invalid_request."""
    for provider in providers:
        row = next(model for model in provider.models if model.id == provider.default)
        if row.lifecycle.at(today) == "retired":
            when = f" since {row.lifecycle.on.isoformat()}" if row.lifecycle.on else ""
            hint = f"Use {row.lifecycle.successor} instead." if row.lifecycle.successor else "Choose another one."
            raise wrong(f"defaults.{provider.name}", f"{row.id} is retired{when}", hint)


def wrong(place: str, why: str, hint: str = "Correct it.") -> ImageError:
    """Return the error for a mistake in the file, with its place."""
    return ImageError(Reason.INVALID_REQUEST, f"{place}: {why}.", hint=hint)
