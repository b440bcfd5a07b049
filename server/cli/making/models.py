"""`atelier models`: list the models as a table, JSON or Markdown."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import date
from textwrap import fill
from typing import Any

import anyio

from atelier.providers.core.types import Model, Operation
from atelier.providers.vendors.contract import Provider
from atelier.server.cli.making.models_check import check
from atelier.server.cli.signatures.options import parameters_in, validated
from atelier.server.cli.terminal.messages import usage_errors
from atelier.server.cli.terminal.output import Column, UsageError, say, say_json, terminal_width
from atelier.server.cli.terminal.output import table as aligned
from atelier.server.composition import catalog_of
from atelier.server.settings import Settings
from atelier.tools import list_models
from atelier.tools.model_table import Offer, basis, ends, offers, price, retired, row_data, span, vendors
from atelier.tools.parameters.tool_parameters import EditImage, GenerateImage

HEADS = ("model", "operations", "sizes", "qualities", "formats", "sources", "prompt")

COLUMNS = (
    Column("vendor"),
    Column("model"),
    Column("about"),
    Column("ends", spare=True),
    Column(HEADS[1], wrapped=True),
    Column("then", spare=True),
    *(Column(head, spare=True) for head in HEADS[2:]),
)


OWN_OPTIONS = {*GenerateImage.model_fields, *EditImage.model_fields}
"""Parameters of the tools: options of the command line by their own names."""


def models(*, everything: bool, json: bool, as_markdown: bool, checks: bool, given: Mapping[str, Any]) -> int:
    """List the models that can be used now with what each can do, or check when they end."""
    if json + as_markdown + checks > 1:
        raise UsageError("Give only one of --json, --markdown and --check.")
    settings = Settings.load(lambda sentence: say(sentence, sys.stderr))
    params = validated(list_models.TOOL, "models", parameters_in(list_models.TOOL, given))
    catalog = catalog_of(settings)
    narrowing = next((name for name in ("operation", "word") if getattr(params, name)), None)
    if narrowing and (checks or as_markdown):
        raise UsageError(f"--{narrowing} narrows the list, and neither --check nor --markdown. Leave it out.")
    with usage_errors():
        vendors(catalog, params.vendor)
    if checks:
        return anyio.run(check, catalog, params.vendor)
    if as_markdown:
        say(markdown(vendors(catalog, params.vendor)))
        return 0
    found, today = offers(catalog, params.operation, params.vendor, params.word), catalog.today()
    if json:
        say_json(facts(found, today))
    elif params.vendor:
        say("\n".join([table(found, today), *further_options(found, today)]))
    elif everything:
        say(table(found, today))
    else:
        say("\n".join([table(usable(found, today), today), *not_set_up(found)]))
    return 0


def usable(found: Iterable[Offer], today: date) -> list[Offer]:
    """Return what can be used now: models that are not retired, of vendors that are set up."""
    ready = (offer for offer in found if not offer.key)
    return [
        Offer(each.provider, rows, each.prices)
        for each in ready
        if (rows := [r for r in each.rows if not retired(r, today)])
    ]


def not_set_up(found: Iterable[Offer]) -> list[str]:
    """Return the lines that name the vendors whose key or address is missing, and how to see their models."""
    missing = [f"  {offer.provider.name:<12}{' or '.join(offer.key)}" for offer in found if offer.key]
    return (
        ["", "Not set up: store the key (atelier keys set NAME) or set the variable; --all lists the models.", *missing]
        if missing
        else []
    )


def table(found: list[Offer], today: date) -> str:
    """Return the models as a table, the default of a vendor with a star."""
    if not found:
        return "No model that can be used now does that."
    rows = list[tuple[str, ...]]()
    for offer in found:
        default = offer.provider.default
        for row in offer.rows:
            name = offer.provider.model_name(row.id) + (" *" if row.id == default else "")
            when, successor = _end(row, today)
            operations, *details = cells(row)
            cost = price(offer, row, today).removeprefix("price ")
            rows.append((offer.provider.name, name, cost, when, operations, successor, *details))
    missing = [f"{each.provider.name}: set {' or '.join(each.key)} to use it." for each in found if each.key]
    return "\n".join([aligned(COLUMNS, rows), "", "* what the vendor's name stands for", basis(), *missing])


def further_options(found: Iterable[Offer], today: date) -> list[str]:
    """Return lines with the options and styles of each model that no column has; equal models share theirs."""
    same = dict[tuple[str, str], list[str]]()
    for offer in found:
        for row in offer.rows:
            data = row_data(offer.provider, row, today)
            own = [option for option in data.options or () if option in OWN_OPTIONS]
            others = [option for option in data.options or () if option not in OWN_OPTIONS]
            taken = ", ".join([*(f"--{option.replace('_', '-')}" for option in own), *others])
            same.setdefault((taken, ", ".join(data.styles or ())), []).append(offer.provider.model_name(row.id))
    lines = list[str]()
    for (taken, styles), names in same.items():
        if taken or styles:
            named = (("options", taken), ("styles", styles))
            lines += [_filled(", ".join(names), "  "), *(_filled(f"{w}: {v}", "    ") for w, v in named if v)]
    return ["", "Further options; those without dashes as --options NAME=VALUE:", *lines] if lines else []


def _filled(text: str, indent: str) -> str:
    """Return the text in lines that fit the terminal, if there is one."""
    width = terminal_width() or len(indent + text)
    return fill(text, width, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)


def _end(row: Model, today: date) -> tuple[str, str]:
    """Return when a model ends, and its successor; empty for a current one."""
    life = row.lifecycle
    when = "" if life.at(today) == "current" else life.on.isoformat() if life.on else "announced"
    return "retired" if retired(row, today) else when, life.successor or ""


def facts(found: list[Offer], today: date) -> dict[str, Any]:
    """Return every column of every row as JSON data."""
    vendors_found = [
        {
            "name": offer.provider.name,
            "ready": not offer.key,
            "variables": list(offer.key),
            "default": offer.provider.model_name(offer.provider.default) if offer.provider.default else None,
            "models": [_one(offer, row, today) for row in offer.rows],
        }
        for offer in found
    ]
    return {"vendors": vendors_found}


def markdown(providers: Iterable[Provider]) -> str:
    """Return the table of the documentation. It depends neither on the date nor on the keys."""
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


def _one(offer: Offer, row: Model, today: date) -> dict[str, Any]:
    data = row_data(offer.provider, row, today).model_dump(mode="json", exclude_none=True, exclude={"ids", "vendor"})
    low, high = span(offer, row, today)
    data |= {name: usd for name, usd in (("low_usd", low), ("high_usd", high)) if usd is not None}
    names = {"id": offer.provider.model_name(row.id), "aliases": list(row.aliases), "snapshots": list(row.snapshots)}
    return {**names, **data}
