"""What the catalogue as a whole has to be once a user's file has changed it: every name leads somewhere, and to one."""

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
    """What the file makes a default works today; a dead one would be passed over in silence. Raises invalid_request."""
    for provider in providers:
        row = next(model for model in provider.models if model.id == provider.default)
        if row.lifecycle.at(today) == "retired":
            when = f" since {row.lifecycle.on.isoformat()}" if row.lifecycle.on else ""
            hint = f"Use {row.lifecycle.successor} instead." if row.lifecycle.successor else "Choose another one."
            raise wrong(f"defaults.{provider.name}", f"{row.id} is retired{when}", hint)


def wrong(place: str, why: str, hint: str = "Correct it.") -> ImageError:
    """What is wrong with the file, and where."""
    return ImageError(Reason.INVALID_REQUEST, f"{place}: {why}.", hint=hint)
