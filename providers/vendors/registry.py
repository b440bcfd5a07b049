"""The registry of vendors: the built-in ones, then those that other installed distributions declare.

A distribution declares a vendor by an entry point in the group `atelier.providers` that names its `Provider`. Vendors
are imported on the first call of `all_providers`, so that a server starts without them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from atelier.providers.core.errors import sanitize
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.names import name_conflict

GROUP = "atelier.providers"

BUILT_IN = (
    "openai",
    "gemini",
    "flux",
    "xai",
    "stability",
    "ideogram",
    "recraft",
    "leonardo",
    "midjourney",
    "fal",
    "replicate",
    "vertex",
    "bedrock",
    "sd-webui",
    "comfyui",
    "sketch",
)
"""The packages beside this module, in the order in which vendors are listed and a default is looked for."""

log = logging.getLogger("atelier")


@cache
def all_providers() -> tuple[Provider, ...]:
    """Return every vendor, built-in ones first. Loaded once in a process."""
    return with_plugins(built_in_providers(), entry_points(group=GROUP))


def built_in_providers() -> tuple[Provider, ...]:
    """Return the record of each package in `BUILT_IN`."""
    return tuple(import_module(f"atelier.providers.vendors.{package_of(name)}").PROVIDER for name in BUILT_IN)


def package_of(name: str) -> str:
    """Return the name of a vendor's package."""
    return name.replace("-", "_")


def with_plugins(providers: tuple[Provider, ...], plugins: Iterable[EntryPoint]) -> tuple[Provider, ...]:
    """Return the vendors followed by those of the plugins, sorted by name so that the order is the same everywhere.

    A plugin that cannot be loaded, or that uses a name of a vendor before it, is left out with a warning in the log.
    """
    for plugin in sorted(plugins, key=lambda plugin: (plugin.name, plugin.value)):
        try:
            providers = (*providers, _loaded(plugin, providers))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's code may raise anything
            distribution = plugin.dist.name if plugin.dist else None
            facts = {
                "plugin": plugin.name,
                "distribution": distribution,
                "why": sanitize(f"{type(error).__name__}: {error}"),
            }
            log.warning("vendor plugin skipped", extra={"facts": facts})
    return providers


def _loaded(plugin: EntryPoint, providers: tuple[Provider, ...]) -> Provider:
    provider = plugin.load()
    if not isinstance(provider, Provider):
        raise TypeError(f"{plugin.value} is not a Provider")
    if provider.default not in {model.id for model in provider.models}:
        raise ValueError(f"its default {provider.default} is none of its models")
    if conflict := name_conflict((*providers, provider)):
        raise ValueError(conflict.reason)
    return provider
