"""What the catalogue as a whole has to be once a user's file has changed it: every name leads somewhere, and to one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.vendors.contract import Provider


def names_are_reachable(providers: Collection[Provider]) -> None:
    """Each name is one model's, and none is a vendor's, which comes first. Raises invalid_request."""
    vendors = {name: provider for provider in providers for name in provider.names}
    owners = dict[str, str]()
    for provider in providers:
        for model in provider.models:
            for name in (model.id, *model.aliases, *model.snapshots):
                if name in owners:
                    raise wrong("models", f"{name} names both {owners[name]} and {model.id}", "A name is one model's.")
                owners[name] = model.id
                means = vendors.get(name)
                if means and not (means is provider and name == model.id == provider.default):
                    why = f"{name}, a name of {model.id}, is taken: it stands for the default of {means.title}"
                    raise wrong("models", why, "Choose another name.")


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
