"""The tool list_models: the models that can be used now and what each takes. Sends no request."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, sanitize
from atelier.providers.core.gates.preflight import MAX_IMAGES
from atelier.providers.core.types import Operation
from atelier.providers.jobs.service import ImageService
from atelier.providers.styles.library import NO_STYLES
from atelier.providers.styles.listing import StyleData, listed_styles
from atelier.tools.model_table import (
    Offer,
    PriceData,
    RowData,
    basis,
    groups,
    offers,
    price,
    prices,
    retired,
    span,
    vendor_lines,
)
from atelier.tools.parameters.tool_parameters import ListModels
from atelier.tools.tool import Answer, Call, Output, Tool

DESCRIPTION = """\
List the vendors and models that can be used now, with prices, sizes and until when they work. Free, instant. \
Call it when the user asks what there is, or to choose a model by what it can do; an image needs no such call. \
Filter by `vendor`, `operation` or a `word` for every column, with styles and rarer options (word=styles: our own)."""

MAX_DATA_BYTES = 6000  # of the structured part; hosts paste it into the model's context
MAX_TEXT_BYTES = 9200  # of the text of a list with a filter
MAX_FILTERED_BYTES = 12_000  # of both together, of every vendor with a filter; else the list is as without one
MAX_BRIEF_BYTES = 8000  # of text and structured part together in a list without filter
MAX_BRIEF_DATA_BYTES = 5500  # of its structured part, which names every built-in model; less beside a long text
NAMED_MODELS = (1000, 60, 50, 40, 30, 25, 22, 20, 18, 16, 14, 12, 10, 8, 6, 5, 4)
"""How many models of each vendor are named: the first of these numbers with which the answer fits, else one."""
TRUNCATION_NOTE = " Long lists are cut short; ask with vendor, operation or word for all of it."
MORE_HINT = " `more` counts models that list_models with that vendor names."  # for hosts that show only the data
MAX_BRIEF_WORDS = 6  # of a column in a list without filter
FILTERED_WORDS = (None, 20, 12, MAX_BRIEF_WORDS)  # of a column with a filter: the first that fits; None is all
DISPENSABLE = (
    "styles", "options", "aspect_ratios", "sizes", "backgrounds", "formats", "operations", "resolutions", "qualities",
)  # fmt: skip
"""Columns that are dropped in this order, prices last, from a structured part that is too large; the text has all."""


class VendorData(BaseModel):
    """One vendor, with its models in a list without filter."""

    name: str
    ready: bool
    variables: Annotated[list[str] | None, Field(description="Set one of these to use the vendor.")] = None
    models: Annotated[list[str] | None, Field(description="Ids, the vendor's default first.")] = None
    more: Annotated[int | None, Field(description="Models for which there was no room, or that need a key.")] = None
    low_usd: Annotated[float | None, Field(description="About, of one image by the default.")] = None
    high_usd: Annotated[float | None, Field(description="Absent when some choice has no known price.")] = None


class ListModelsOutput(Output):
    """Ids by vendor; with a filter, the rows as well."""

    status: Literal["done"] = "done"
    summary: str
    vendors: list[VendorData]
    models: list[RowData] | None = None
    prices: Annotated[list[PriceData] | None, Field(description="A model that is in none has no known price.")] = None
    styles: Annotated[list[StyleData] | None, Field(description="Of the library, for `style`.")] = None


async def run(params: ListModels, service: ImageService, call: Call) -> Answer:
    """List the models and the styles, as text and as data."""
    library = NO_STYLES if params.operation or params.vendor else call.styles()
    answer, styles = _models(params, service.pipeline.catalog), await listed_styles(library, params.word)
    return replace(answer, text=styles.text(answer.text), data=answer.data.model_copy(update=styles.fields))


def _models(params: ListModels, catalog: Catalog) -> Answer:
    """Return the list of the models: with a filter every column, unless too many vendors have a model."""
    found, today = offers(catalog, params.operation, params.vendor, params.word), catalog.today()
    summary, shown = _summary(catalog, params, found), [offer for offer in found if not offer.key or params.vendor]
    if params.operation or params.vendor or params.word:
        vendors = [_vendor(offer) for offer in found]
        data = _with_rows(ListModelsOutput(summary=summary, vendors=vendors), shown, today)
        text = _filtered_text(summary, found, shown, today)
        if params.vendor or (data.models is not None and len(text.encode()) + _bytes(data) < MAX_FILTERED_BYTES):
            return Answer(text=text, data=data)
    return _brief(summary, found, shown, today)


def full_list(params: ListModels, catalog: Catalog) -> ListModelsOutput:
    """Return the models that can be used, every row with every column, for programs."""
    found, today = offers(catalog, params.operation, params.vendor, params.word), catalog.today()
    shown = [offer for offer in found if not offer.key]
    return ListModelsOutput(
        summary=_summary(catalog, params, found),
        vendors=[_vendor(offer, offer, today) for offer in found],
        models=[row for offer in shown for row in groups(offer, today)],
        prices=prices(shown, today),
    )


def _filtered_text(summary: str, found: list[Offer], shown: list[Offer], today: date) -> str:
    """Return the text with every column, or with columns cut short if that is too long."""
    text = summary
    for words in FILTERED_WORDS:
        lines = [line for offer in shown for line in vendor_lines(offer, today, words)]
        note = TRUNCATION_NOTE if words else ""
        text = "\n".join([summary, *lines, *_rest(found, shown, note)])
        if len(text.encode()) < MAX_TEXT_BYTES:
            break
    return text


def _brief(summary: str, found: list[Offer], shown: list[Offer], today: date) -> Answer:
    """Return the list of a call without a filter: the data names every model, if MAX_BRIEF_DATA_BYTES suffice.

    The text describes as many models as fit beside it; of many vendors it has one line each.
    """
    rest = _rest(found, shown, TRUNCATION_NOTE)
    overview = "\n".join([summary, *(_overview_line(offer, today) for offer in shown), *rest])
    max_bytes = min(MAX_BRIEF_DATA_BYTES, MAX_BRIEF_BYTES - len(overview.encode()))
    data = next(filter(None, (_listed(summary, found, shown, limit, max_bytes, today) for limit in (*NAMED_MODELS, 1))))
    room = MAX_BRIEF_BYTES - _bytes(data)
    for limit in NAMED_MODELS:
        lines = [line for offer in shown for line in _lines(offer.first(limit), offer, today)]
        text = "\n".join([summary, *lines, *rest])
        if len(text.encode()) < room:
            return Answer(text=text, data=data)
    return Answer(text=overview, data=data)


def _listed(
    summary: str, found: list[Offer], shown: list[Offer], limit: int, max_bytes: int, today: date
) -> ListModelsOutput | None:
    """Return the data with at most `limit` models of each vendor, or None if it has `max_bytes` bytes or more."""
    vendors = [_vendor(offer, offer.first(limit) if offer in shown else None, today) for offer in found]
    for vendor, offer in zip(vendors, found, strict=True):
        if offer not in shown:
            vendor.more = len(offer.rows)
    hint = MORE_HINT if any(vendor.more for vendor in vendors) else ""
    data = ListModelsOutput(summary=summary + hint, vendors=vendors)
    return data if limit == 1 or _bytes(data) < max_bytes else None


def _lines(part: Offer, whole: Offer, today: date) -> list[str]:
    """Return the lines of a vendor, and a line that counts the models that are not named."""
    more, vendor = len(whole.rows) - len(part.rows), whole.provider.name
    counted = [f"- and {more} more models; list_models with vendor={vendor} names them."] if more else []
    return [*vendor_lines(part, today, MAX_BRIEF_WORDS), *counted]


def _overview_line(offer: Offer, today: date) -> str:
    """Return one line for a vendor: its default with its price, all of its operations, and how many models it has."""
    if not offer.rows:
        return vendor_lines(offer, today, None)[0]
    default, vendor, more = offer.rows[0], offer.provider.name, len(offer.rows) - 1
    able = [operation.value for operation in Operation if any(operation in row.operations for row in offer.rows)]
    cost = price(offer, default, today)
    counted = f"; and {more} more models; list_models with vendor={vendor} names them." if more else "."
    named = f"{offer.provider.title} ({vendor}): {offer.provider.model_name(default.id)}{f' ({cost})' if cost else ''}"
    return f"{named}; {', '.join(able)}{counted}"


def _vendor(offer: Offer, part: Offer | None = None, today: date = date.min) -> VendorData:
    """Return the data of a vendor; in a list without filter with its models and the price span of its default."""
    data = VendorData(name=offer.provider.name, ready=not offer.key, variables=list(offer.key) or None)
    if part:
        data.models = [offer.provider.model_name(row.id) for row in part.rows if not retired(row, today)]
        data.more = len(offer.rows) - len(part.rows) or None
        if offer.rows:
            data.low_usd, data.high_usd = span(offer, offer.rows[0], today)
    return data


def _rest(found: list[Offer], shown: list[Offer], note: str) -> list[str]:
    lines = [
        f"{o.provider.title} ({o.provider.name}): {len(o.rows)} models once {' or '.join(o.key)} is set."
        for o in found
        if o not in shown
    ]
    return [*lines, f"n up to {MAX_IMAGES}. {basis()}{note}"] if shown else lines


def _summary(catalog: Catalog, params: ListModels, found: list[Offer]) -> str:
    verb = f" that can {params.operation.value.replace('_', ' ')}" if params.operation else ""
    verb += f" with “{sanitize(params.word, 60)}”" if params.word else ""
    ready = [o.provider.name for o in found if not o.key]
    missing = [f"{o.provider.name} (set {' or '.join(o.key)})" for o in found if o.key]
    if not found:
        able = [o.provider.name for o in offers(catalog, params.operation, word=params.word)]
        of = f" of {params.vendor}" if params.vendor else ""
        return f"No model{of}{verb}. Vendors that have one: {', '.join(able) or 'none'}."
    lines = [f"Ready{verb}: {', '.join(ready) or 'none'}.", f"Without a key: {', '.join(missing)}." if missing else ""]
    if not (params.vendor or params.word):
        try:
            choice = catalog.resolve(None, params.operation or Operation.GENERATE)
            lines.append(f"When no model is named: {choice.provider.name}/{choice.model.id}.")
        except ImageError as error:
            lines.append(error.message)
    return " ".join(part for part in lines if part)


def _with_rows(data: ListModelsOutput, shown: list[Offer], today: date) -> ListModelsOutput:
    """Return the data with its rows, without as few columns as MAX_DATA_BYTES allows."""
    columns = [DISPENSABLE[:count] for count in range(len(DISPENSABLE) + 1)]
    attempts = [(some, prices(shown, today)) for some in columns] + [(some, None) for some in columns]
    for without, priced in attempts:
        rows = [row for offer in shown for row in groups(offer, today, without)]
        dropped = without if priced is not None else (*without, "prices")
        note = f" Left out here for length: {', '.join(dropped)}; narrow the list for them." if dropped else ""
        full = data.model_copy(update={"models": rows, "prices": priced, "summary": data.summary + note})
        if _bytes(full) <= MAX_DATA_BYTES:
            return full
    return data


def _bytes(data: ListModelsOutput) -> int:
    return len(json.dumps(data.model_dump(exclude_none=True), ensure_ascii=False).encode())


TOOL = Tool(
    name="list_models",
    title="List the models",
    description=DESCRIPTION,
    kind="reads",
    parameters=ListModels,
    run=run,
)
