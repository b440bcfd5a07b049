"""`atelier keys`: which vendors have a key, and store or remove one. A key is never printed."""

from __future__ import annotations

import getpass
import sys
from typing import Literal

from atelier.providers.core.environment import key_variable
from atelier.providers.vendors.contract import Provider
from atelier.server.cli.setup.config import current_settings, place_of, with_tilde
from atelier.server.cli.terminal.messages import usage_errors
from atelier.server.cli.terminal.output import (
    KEY_IS_ASKED_FOR,
    LONGEST_VENDOR,
    Column,
    UsageError,
    say,
    say_json,
    table,
)
from atelier.server.composition import catalog_of
from atelier.server.settings import Settings
from atelier.server.settings.stored_keys import forget_key, store_key
from atelier.tools.model_table import vendors

COLUMNS = (Column("vendor"), Column("key"), Column("variable"), Column("from", wrapped=True))


def keys(action: Literal["list", "set", "rm"], vendor: str | None, *, file: bool, json: bool) -> int:
    """List which vendors have a key, store a key for the next start, or remove it."""
    settings = current_settings()
    if action == "list":
        _list(settings, as_json=json)
        return 0
    if vendor is None:
        raise UsageError(f"Name the vendor: atelier keys {action} openai")
    if len(vendor) > LONGEST_VENDOR:
        raise UsageError(KEY_IS_ASKED_FOR)
    with usage_errors():
        (provider,) = vendors(catalog_of(settings), vendor.lower())
    if not provider.endpoint.key_variables:
        raise UsageError(f"{provider.title} needs no key.")
    name = provider.endpoint.key_variables[0]
    if action == "rm":
        removed = forget_key(name)
        say(f"The key of {provider.title} was removed." if removed else f"No key of {provider.title} is stored.")
        return 0 if removed else 1
    key = read_key(provider)
    say(f"The key of {provider.title} is stored in {store_key(name, key, in_file=file)}.")
    origin = Settings.load().origin(key_variable(provider.endpoint, Settings.load().lookup) or name)
    if origin and "environment" in origin:
        say(f"Note: {origin} comes before it.", sys.stderr)
    return 0


def read_key(provider: Provider) -> str:
    """Return the key that the person types, unseen, or that standard input has."""
    if sys.stdin.isatty():
        variable = provider.endpoint.key_variables[0]  # for Vertex AI it is a project, which few would call a key
        key = getpass.getpass(f"{variable} of {provider.title} (not shown): ").strip()
    else:
        key = sys.stdin.read().strip()
    if not key or not key.isprintable() or " " in key:
        raise UsageError("That is no key: it is empty, or has a space or a line break.")
    return key


def _list(settings: Settings, *, as_json: bool) -> None:
    """Print each vendor that takes a key, with the variable and where it is set."""
    rows = list[tuple[str, str, str, str]]()
    for provider in (each for each in catalog_of(settings).providers if each.endpoint.key_variables):
        name = key_variable(provider.endpoint, settings.lookup)
        origin = settings.origin(name) if name else None
        variables = name or " or ".join(provider.endpoint.key_variables)
        rows.append((provider.name, "set" if name else "", variables, origin or ""))
    if as_json:
        say_json([{"vendor": v, "set": bool(k), "variable": n, "from": f or None} for v, k, n, f in rows])
    else:
        say(table(COLUMNS, [(*row[:3], with_tilde(place_of(row[3]))) for row in rows]))
        if not any(key for _, key, _, _ in rows):
            say("\nNo key is set. Store one: atelier keys set openai")
