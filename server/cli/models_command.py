"""`atelier models`: list the models; `--check` warns a scheduled job of models that are about to end."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import anyio

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Model, Operation
from atelier.providers.transport.network.http_client import vendor_client
from atelier.providers.transport.wire import Wire
from atelier.providers.vendors.contract import Provider
from atelier.server.cli.output import say
from atelier.server.composition import catalog_of
from atelier.server.settings import Settings
from atelier.tools import list_models
from atelier.tools.model_table import Offer, basis, ends, offers, price, row_data, span, vendors
from atelier.tools.parameters.arguments import parameters_of

MIN_DAYS_LEFT = 60  # of a default model, so that there is time for a release
LIST_TIMEOUT = 30.0  # seconds for a vendor's list of models

HEADS = ("model", "operations", "sizes", "qualities", "formats", "sources", "prompt")


def models(options: argparse.Namespace) -> int:
    """List the models with what each can do, or check when they end."""
    settings = Settings.load(lambda sentence: say(sentence, sys.stderr))
    given = {
        name: value
        for name in list_models.TOOL.parameters.model_fields
        if (value := getattr(options, name)) is not None
    }
    params = parameters_of(list_models.TOOL, given)
    catalog = catalog_of(settings)
    narrowing = next((name for name in ("operation", "word") if getattr(params, name)), None)
    if narrowing and (options.check or options.markdown):
        message = f"--{narrowing} narrows the list, and neither --check nor --markdown."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Leave it out.")
    if options.check:
        return anyio.run(check, catalog, params.vendor)
    if options.markdown:
        say(markdown(vendors(catalog, params.vendor)))
        return 0
    found = offers(catalog, params.operation, params.vendor, params.word)
    say(as_json(found, catalog.today()) if options.json else table(found, catalog.today()))
    return 0


def table(found: list[Offer], today: date) -> str:
    """Return the models as a table, below their vendors."""
    if not found:
        return "No model can do that."
    lines: list[list[str]] = [["  " + HEADS[0], *HEADS[1:], "about", "ends"]]
    for offer in found:
        key = f"set {' or '.join(offer.key)} to use it" if offer.key else "ready"
        lines.append([f"{offer.provider.title} ({offer.provider.name}): {key}"])
        name = offer.provider.model_name
        for row in offer.rows:
            star = " *" if row.id == offer.provider.default else ""
            lines.append([f"  {name(row.id)}{star}", *cells(row), price(offer, row, today), ends(row, today)])
    widths = [max(map(len, column)) for column in zip(*(line for line in lines if len(line) > 1), strict=True)]
    aligned = ["  ".join(word.ljust(width) for word, width in zip(line, widths, strict=False)) for line in lines]
    notes = ["* what the vendor's name stands for", basis()]
    return "\n".join([*(line.rstrip() for line in aligned), *notes])


def as_json(found: list[Offer], today: date) -> str:
    """Return every column of every row as JSON."""
    vendors_json = [
        {
            "name": offer.provider.name,
            "ready": not offer.key,
            "variables": list(offer.key),
            "default": offer.provider.model_name(offer.provider.default) if offer.provider.default else None,
            "models": [_one(offer, row, today) for row in offer.rows],
        }
        for offer in found
    ]
    return json.dumps({"vendors": vendors_json}, ensure_ascii=False)


def markdown(providers: Iterable[Provider]) -> str:
    """Return the table of the README. It depends neither on the date nor on the keys."""
    lines = [f"| vendor | {' | '.join(HEADS)} | ends |", "| --- " * (len(HEADS) + 2) + "|"]
    for provider in providers:
        same = dict[tuple[str, ...], list[str]]()
        for row in (row for row in provider.models if row.lifecycle.stage != "retired"):
            name = f"`{provider.model_name(row.id)}`"
            name = f"**{name}**" if row.id == provider.default else name
            same.setdefault((*cells(row), ends(row, date.min)), []).append(name)
        lines += [
            f"| {provider.name} | {' | '.join([', '.join(ids), *cells_of_row])} |" for cells_of_row, ids in same.items()
        ]
    return "\n".join(lines)


def cells(row: Model) -> list[str]:
    """Return a row in the columns of HEADS after the first; a dash where there is no choice."""
    rule = row.size_rule
    free = f"any to {rule.max_edge} px, {rule.max_pixels / 1e6:.1f} MP" if rule else ", ".join(row.sizes)
    shape = [free, f"{len(row.aspect_ratios)} ratios" if row.aspect_ratios else "", ", ".join(row.resolutions)]
    return [
        ", ".join(operation.value for operation in Operation if operation in row.operations),
        "; ".join(filter(None, shape)) or "–",
        ", ".join(row.qualities) or "–",
        ", ".join(row.formats) or "–",
        str(row.max_sources or "–"),
        f"{row.max_prompt:,}" if row.max_prompt else "–",
    ]


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
        say(f"Every default has at least {MIN_DAYS_LEFT} days left. {params}")
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
    left = (row.lifecycle.on - today).days if row.lifecycle.on else MIN_DAYS_LEFT
    if left >= MIN_DAYS_LEFT:
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


def _one(offer: Offer, row: Model, today: date) -> dict[str, Any]:
    data = row_data(offer.provider, row, today).model_dump(mode="json", exclude_none=True, exclude={"ids", "vendor"})
    low, high = span(offer, row, today)
    data |= {name: usd for name, usd in (("low_usd", low), ("high_usd", high)) if usd is not None}
    names = {"id": offer.provider.model_name(row.id), "aliases": list(row.aliases), "snapshots": list(row.snapshots)}
    return {**names, **data}


def declare(commands: Any) -> None:
    """`atelier models`"""
    parser = commands.add_parser("models", help="list the models, or check when they end", description=models.__doc__)
    for name, field in list_models.TOOL.parameters.model_fields.items():
        parser.add_argument(f"--{name}", metavar="VALUE", help=field.description)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print every column as JSON")
    how.add_argument("--markdown", action="store_true", help="print the table of the README")
    how.add_argument(
        "--check",
        action="store_true",
        help=f"exit 1 when a default is deprecated or ends within {MIN_DAYS_LEFT} days, or a vendor's list differs",
    )
    parser.set_defaults(run=models)
