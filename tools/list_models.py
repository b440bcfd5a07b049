"""list_models: what can be used now, and what each model takes. Nothing is asked of any vendor."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError
from atelier.providers.core.gates.preflight import MAX_IMAGES
from atelier.providers.core.types import Operation
from atelier.providers.jobs.service import ImageService
from atelier.tools.model_table import Offer, PriceData, RowData, basis, block, groups, offers, prices, retired, span
from atelier.tools.parameters import fields
from atelier.tools.tool import Answer, Call, Output, Parameters, Tool

DESCRIPTION = """\
List the vendors and models that can be used now: their operations, sizes, qualities, formats, limits, about what a \
picture costs, and until when they work. Free, instant, and changes nothing. Call it when the user asks what there is, \
or to choose a model by what it can do; a picture needs no such call, since a model is chosen when none is named. \
Filter by `vendor` or `operation` for every column, with styles, backgrounds and rarer options."""

LARGEST = 6000  # bytes of the structured part; hosts paste it into the model's context
LARGEST_OF_ALL = 8000  # bytes of text and structured part together where nothing was asked in particular
ROOM = (1000, 60, 50, 40, 30, 25, 22, 20, 18, 16, 14, 12, 10, 8, 6, 5, 4, 3, 2, 1, 0)
"""How many models of each vendor are named: the first of these with which all fits."""
CUT = " Long lists are cut short; ask with vendor or operation for all of it."
FEW = 6  # words of a column that the unfiltered text spells out
DISPENSABLE = (
    "styles", "options", "aspect_ratios", "sizes", "backgrounds", "formats", "operations", "resolutions", "qualities",
)  # fmt: skip
"""Columns that leave a structured part that is too large, in this order; prices only after them. The text has all."""


class ListModels(Parameters):
    """What the list may be narrowed to."""

    operation: Annotated[
        Operation | None, fields.Blank, fields.Word, Field(description="Only models that can do this.")
    ] = None
    vendor: Annotated[
        Annotated[str, Field(max_length=40)] | None,
        fields.Blank,
        fields.Word,
        Field(description="Only this vendor: openai, gemini, flux, xai, stability or sketch."),
    ] = None


class VendorData(BaseModel):
    """One vendor."""

    name: str
    ready: bool
    variables: Annotated[list[str] | None, Field(description="Set one of these to use the vendor.")] = None
    models: Annotated[list[str] | None, Field(description="Ids, the vendor's default first.")] = None
    more: Annotated[int | None, Field(description="Models for which there was no room.")] = None
    low_usd: Annotated[float | None, Field(description="About, of one picture by the default.")] = None
    high_usd: Annotated[float | None, Field(description="Absent when some choice has no known price.")] = None


class Listed(Output):
    """Ids by vendor; with a filter, the rows as well."""

    status: Literal["done"] = "done"
    summary: str
    vendors: list[VendorData]
    models: list[RowData] | None = None
    prices: Annotated[list[PriceData] | None, Field(description="A model that is in none has no known price.")] = None


async def run(asked: ListModels, service: ImageService, call: Call) -> Answer:
    """The list, in words and in data."""
    catalog, today = service.pipeline.catalog, service.pipeline.catalog.today()
    found, filtered = offers(catalog, asked.operation, asked.vendor), bool(asked.operation or asked.vendor)
    summary, shown = _summary(catalog, asked, found), [offer for offer in found if not offer.key or asked.vendor]
    if not filtered:
        return _brief(summary, found, shown, today)
    lines = [line for offer in shown for line in block(offer, today, None)]
    vendors = [_vendor(offer) for offer in found]
    data = _within(Listed(summary=summary, vendors=vendors), shown, today)
    return Answer(text="\n".join([summary, *lines, *_unshown(found, shown), *_foot(shown)]), data=data)


def _brief(summary: str, found: list[Offer], shown: list[Offer], today: date) -> Answer:
    """Every model that works, or of each vendor as many as there is room for, the rest counted."""
    for most in ROOM:
        parts = {offer.provider.name: offer.first(most) for offer in shown}
        lines = [line for offer in shown for line in _lines(parts[offer.provider.name], offer, today)]
        text = "\n".join([summary, *lines, *_unshown(found, shown), *_foot(shown, CUT)])
        vendors = [_vendor(offer, parts.get(offer.provider.name), today) for offer in found]
        data = Listed(summary=summary, vendors=vendors)
        if len(text.encode()) + _bytes(data) < LARGEST_OF_ALL:
            return Answer(text=text, data=data)
    return Answer(text=summary, data=Listed(summary=summary, vendors=[_vendor(offer) for offer in found]))


def _lines(part: Offer, whole: Offer, today: date) -> list[str]:
    """A vendor in brief, and how many of its models found no room."""
    more = len(whole.rows) - len(part.rows)
    vendor = whole.provider.name
    told = block(part, today, FEW) if part.rows else [f"{whole.provider.title} ({vendor}):"]
    return [*told, *([f"- and {more} more models; list_models with vendor={vendor} names them."] if more else [])]


def _vendor(offer: Offer, part: Offer | None = None, today: date = date.min) -> VendorData:
    """A vendor for programs; with what is listed of it and about what its default costs where it is told in brief."""
    data = VendorData(name=offer.provider.name, ready=not offer.key, variables=list(offer.key) or None)
    if part:
        data.models = [row.id for row in part.rows if not retired(row, today)]
        data.more = len(offer.rows) - len(part.rows) or None
        data.low_usd, data.high_usd = span(offer, offer.rows[0], today)
    return data


def _unshown(found: list[Offer], shown: list[Offer]) -> list[str]:
    return [
        f"{o.provider.title} ({o.provider.name}): {len(o.rows)} models once {' or '.join(o.key)} is set."
        for o in found
        if o not in shown
    ]


def _foot(shown: list[Offer], cut: str = "") -> list[str]:
    return [f"n up to {MAX_IMAGES}. {basis()}{cut}"] if shown else []


def _summary(catalog: Catalog, asked: ListModels, found: list[Offer]) -> str:
    verb = f" that can {asked.operation.value.replace('_', ' ')}" if asked.operation else ""
    ready = [o.provider.name for o in found if not o.key]
    missing = [f"{o.provider.name} (set {' or '.join(o.key)})" for o in found if o.key]
    if not found:
        able = [o.provider.name for o in offers(catalog, asked.operation)]
        return f"No model of {asked.vendor}{verb}. Vendors that have one: {', '.join(able) or 'none'}."
    said = [f"Ready{verb}: {', '.join(ready) or 'none'}.", f"Without a key: {', '.join(missing)}." if missing else ""]
    if not asked.vendor:
        try:
            choice = catalog.resolve(None, asked.operation or Operation.GENERATE)
            said.append(f"When no model is named: {choice.provider.name}/{choice.model.id}.")
        except ImageError as error:
            said.append(error.message)
    return " ".join(part for part in said if part)


def _within(data: Listed, shown: list[Offer], today: date) -> Listed:
    """With the rows, and with as few columns left out as its limit demands."""
    columns = [DISPENSABLE[:count] for count in range(len(DISPENSABLE) + 1)]
    attempts = [(some, prices(shown, today)) for some in columns] + [(some, None) for some in columns]
    for without, priced in attempts:
        rows = [row for offer in shown for row in groups(offer, today, without)]
        gone = without if priced is not None else (*without, "prices")
        said = f" Left out here for length: {', '.join(gone)}; narrow the list for them." if gone else ""
        full = data.model_copy(update={"models": rows, "prices": priced, "summary": data.summary + said})
        if _bytes(full) <= LARGEST:
            return full
    return data


def _bytes(data: Listed) -> int:
    return len(json.dumps(data.model_dump(exclude_none=True), ensure_ascii=False).encode())


TOOL = Tool(
    name="list_models",
    title="List the models",
    description=DESCRIPTION,
    kind="reads",
    parameters=ListModels,
    output=Listed,
    run=run,
)
