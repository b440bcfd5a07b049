"""`atelier models --check`: compare defaults and end dates with the vendors' own lists."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError
from atelier.providers.transport.network.http_client import vendor_client
from atelier.providers.transport.wire import Wire
from atelier.providers.vendors.contract import Provider
from atelier.server.cli.signatures.defaults import DAYS_LEFT
from atelier.server.cli.terminal.output import say
from atelier.tools.model_table import vendors

LIST_TIMEOUT = 30.0  # seconds for a vendor's list of models


async def check(catalog: Catalog, vendor: str | None = None) -> int:
    """Print a line for each finding. Return 1 when there is one, or when a vendor did not answer."""
    found, failures, confirmed = list[str](), list[str](), list[str]()
    for provider in vendors(catalog, vendor):
        found += default_ends(provider, catalog.today())
        try:
            vendor_dates = await published(catalog, provider)
        except ImageError as error:
            failures.append(f"{provider.name} could not be asked: {error.message}")
            continue
        if vendor_dates is not None:
            confirmed.append(provider.name)
            found += differences(provider, vendor_dates, catalog.today())
    for finding in found:
        say(finding)
    for failure in failures:
        say(f"atelier: {failure}", sys.stderr)
    if not found and not failures:
        params = f"{', '.join(confirmed)} was asked and agrees." if confirmed else "No vendor was asked."
        say(f"Every default has at least {DAYS_LEFT} days left. {params}")
    return 1 if found or failures else 0


def default_ends(provider: Provider, today: date) -> list[str]:
    """What is wrong with a vendor's default: it has ended, or will so soon, or any day, that another must be chosen."""
    row = next((row for row in provider.models if row.id == provider.default), None)
    if row is None:  # a host of the user's, of which no model is listed
        return []
    instead = f"; its successor is {row.lifecycle.successor}" if row.lifecycle.successor else ""
    if row.lifecycle.at(today) == "retired":
        return [f"{provider.name}: the default {row.id} is retired{instead}."]
    if row.lifecycle.at(today) == "deprecated" and row.lifecycle.on is None:
        return [f"{provider.name}: the default {row.id} is deprecated and ends on a day not yet named{instead}."]
    left = (row.lifecycle.on - today).days if row.lifecycle.on else DAYS_LEFT
    if left >= DAYS_LEFT:
        return []
    return [f"{provider.name}: the default {row.id} ends on {row.lifecycle.on}, in {left} days{instead}."]


async def published(catalog: Catalog, provider: Provider) -> Mapping[str, date | None] | None:
    """Return the vendor's own end dates; None when it publishes none or its key is not set."""
    if provider.lifecycles is None or not catalog.usable(provider):
        return None
    endpoint, key = catalog.located(provider), provider.endpoint.key(catalog.lookup)
    async with vendor_client(endpoint, LIST_TIMEOUT) as connection:
        wire = Wire(
            connection, endpoint, provider.explain, key=key, secrets=(key,) if key else (), deadline=LIST_TIMEOUT
        )
        return await provider.lifecycles(wire, endpoint)


def differences(provider: Provider, vendor_dates: Mapping[str, date | None], today: date) -> list[str]:
    """Return a line for each difference between our rows and the vendor's list."""
    found = list[str]()
    for row in provider.models:
        for id in (row.id, *row.snapshots):
            ours = row.lifecycle.on
            if id not in vendor_dates:
                current = row.lifecycle.at(today) != "retired"
                found += (
                    [f"{provider.name}: {id} is no longer listed by the vendor; our row has it."] if current else []
                )
            elif vendor_dates[id] != ours:
                found.append(
                    f"{provider.name}: {id} ends {_day(vendor_dates[id])} by the vendor, {_day(ours)} by our row."
                )
    return found


def _day(day: date | None) -> str:
    return f"on {day.isoformat()}" if day else "on no named day"
