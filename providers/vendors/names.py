"""The names of vendors and models: each may mean one thing only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from atelier.providers.vendors.contract import Provider


@dataclass(frozen=True, slots=True)
class NameConflict:
    """Why a name means two things, and what to do."""

    reason: str
    hint: str


def name_conflict(providers: Iterable[Provider]) -> NameConflict | None:
    """Return the first name that two vendors or two models have, or a vendor and a model that is not its default.

    Models and ended families that are named `vendor/model` only conflict with none.
    """
    vendors, owners = dict[str, Provider](), dict[str, str]()
    for provider in providers:
        for name in {provider.name, *provider.names, *(() if provider.qualified else provider.ended_names)}:
            if name in vendors:
                reason = f"{name} names both {vendors[name].title} and {provider.title}"
                return NameConflict(reason, "A name is one vendor's.")
            vendors[name] = provider
    for provider in providers:
        for model in () if provider.qualified else provider.models:
            for name in (model.id, *model.aliases, *model.snapshots):
                if name in owners:
                    return NameConflict(f"{name} names both {owners[name]} and {model.id}", "A name is one model's.")
                owners[name] = model.id
                means = vendors.get(name)
                if means and not (means is provider and name == model.id == provider.default):
                    reason = f"{name}, a name of {model.id}, is taken: it stands for the default of {means.title}"
                    return NameConflict(reason, "Choose another name.")
    return None
