"""estimate_cost: what a picture would cost, before it is made. Needs no key and asks nobody."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import PROMPTLESS, ImageRequest, Operation, Picture
from atelier.providers.images.sources import Found
from atelier.providers.jobs.service import ImageService
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pipeline.quotes import Quote, compare
from atelier.providers.pipeline.quotes import usd as plain_usd
from atelier.providers.pricing.budget import Left
from atelier.tools.edit_image import Changing, change_of, operation_of
from atelier.tools.image_answer import usd
from atelier.tools.image_call import Drawing, asked_for
from atelier.tools.parameters import edit_fields
from atelier.tools.tool import Answer, Call, Output, Tool

DESCRIPTION = """\
Tell what generate_image or edit_image would cost with the same parameters, in USD, without making anything: free, \
instant, and nothing is sent to a vendor. Tells the price of one picture and of all of them, a range where the vendor \
prices by outcome, how it was worked out, and what is left of the budget. With `compare` the same request is priced \
over every model that can be used, the cheapest first, with the options that each cannot honour. \
Call it when the user asks about cost, before many or large pictures, or when a call was refused as over budget."""

CHANGES = ("image", *(name for name in Changing.model_fields if name not in Drawing.model_fields))
"""Parameters that only a change of a picture has."""

LARGEST = 6000  # bytes of a comparison; hosts paste it into the model's context
NOMINAL = Picture(b"", "png", 1024, 1024)
"""Stands for a source picture that is not there, or that would have to be fetched."""


class EstimateCost(Changing):
    """Everything that may be said about a picture or a change; nothing has to be."""

    prompt: edit_fields.EditPrompt = None
    image: edit_fields.PricedImage = None
    operation: edit_fields.PricedOperation = None
    compare: edit_fields.Compare = False


class Priced(BaseModel):
    """One model of a comparison."""

    model: str
    total_usd: Annotated[float | None, Field(description="Absent when the price is not known.")] = None
    high_usd: Annotated[float | None, Field(description="At most, where that is more.")] = None
    cannot: Annotated[list[str] | None, Field(description="Options that it cannot honour.")] = None


class Estimated(Output):
    """A price, or the prices of every model."""

    status: Literal["done"] = "done"
    summary: str
    provider: str | None = None
    model: str | None = None
    per_image_usd: Annotated[float | None, Field(description="The likely price of one picture.")] = None
    total_usd: Annotated[float | None, Field(description="The likely price of all of them.")] = None
    low_usd: Annotated[float | None, Field(description="Of all of them, at least.")] = None
    high_usd: Annotated[float | None, Field(description="Of all of them, at most; what a budget reserves.")] = None
    basis: Annotated[str | None, Field(description="free, flat, grid, tokens, credits or megapixels.")] = None
    arithmetic: str | None = None
    source: str | None = None
    as_of: str | None = None
    left_today_usd: float | None = None
    left_this_month_usd: float | None = None
    models: list[Priced] | None = None
    warnings: list[str] | None = None


async def run(asked: EstimateCost, service: ImageService, call: Call) -> Answer:
    """A price in words and in data."""
    pipeline = service.pipeline
    request, assumed = await priced_request(asked, pipeline)
    left, trouble = await _left(pipeline, call)
    assumed += trouble
    if asked.compare:
        return _compared(compare(pipeline.catalog, replace(request, model=None)), left, assumed)
    return _told(pipeline.admit(request), left, assumed)


async def _left(pipeline: Pipeline, call: Call) -> tuple[Left, list[str]]:
    """What is left of the budget, where there is one. A ledger that cannot be read costs nobody an estimate."""
    caps = pipeline.budget.caps
    if caps.per_day is caps.per_month is None:
        return Left(), []
    try:
        return await pipeline.journal.budget_left(call.caller, caps), []
    except ImageError as error:
        return Left(), [f"What is left of the budget is not known. {error.message} {error.hint}".strip()]


async def priced_request(asked: EstimateCost, pipeline: Pipeline) -> tuple[ImageRequest, list[str]]:
    """The request to price, and what was assumed for it. A picture on the web is not fetched to price a change."""
    needless = asked.operation in PROMPTLESS  # else one is needed, and what is not said yet costs next to nothing
    prompt = asked.prompt or ("" if needless else "-")
    masked = bool(asked.mask) or asked.operation in (Operation.INPAINT, Operation.ERASE)
    change = [name for name in CHANGES if getattr(asked, name) not in (None, [])]
    if asked.operation == Operation.GENERATE and change:
        message = f"A picture made from words alone takes no {' and no '.join(change)}."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Leave that out, or name the operation that is meant.")
    if asked.operation == Operation.GENERATE or not (asked.operation or change):
        return ImageRequest(prompt=prompt, **asked_for(asked)), []
    found = [await _found(words, pipeline) for words in (asked.image, *asked.images)]
    pictures = [each.picture if each else NOMINAL for each in found]
    request = ImageRequest(
        prompt=prompt,
        **change_of(asked),
        operation=operation_of(asked.operation, masked),
        sources=tuple(pictures),
        mask=replace(NOMINAL, width=pictures[0].width, height=pictures[0].height) if masked else None,
        origin=found[0].provider if found[0] else None,
    )
    return request, ["A source picture of 1024x1024 is assumed."] if None in found else []


async def _found(words: str | None, pipeline: Pipeline) -> Found | None:
    here = words and not words.strip().lower().startswith(("http://", "https://"))
    return await pipeline.sources.read(words) if here and words else None


def _told(priced: PricedRequest, left: Left, assumed: list[str]) -> Answer:
    name, price = f"{priced.choice.provider.name}/{priced.job.model.id}", priced.estimate
    notes = [*assumed, *(price.notes if price else ()), *priced.warnings]
    data = Estimated(summary="", provider=priced.choice.provider.name, model=priced.job.model.id)
    if price is None:
        summary, lines = f"The price of {name} is not known.", list[str]()
    else:
        count = f"{price.count} picture{'' if price.count == 1 else 's'}"
        summary = f"About {usd(price.total_usd)} for {count} by {name}" + (
            f", between {usd(price.low_usd)} and {usd(price.high_usd)}." if price.low_usd < price.high_usd else "."
        )
        each = f"{usd(price.per_image_usd)} a picture; " if price.count > 1 else ""
        lines = [
            f"How: {each}{price.basis}: {price.arithmetic}.",
            f"Price from {price.source}, as of {price.as_of}.",
        ]
        data = data.model_copy(
            update={
                "per_image_usd": _float(price.per_image_usd),
                "total_usd": _float(price.total_usd),
                "low_usd": _float(price.low_usd),
                "high_usd": _float(price.high_usd),
                "basis": price.basis,
                "arithmetic": price.arithmetic,
                "source": price.source,
                "as_of": price.as_of,
            }
        )
    data = _with_left(data.model_copy(update={"summary": summary, "warnings": notes or None}), left)
    said = [summary, *lines, *_left_in_words(left), *(f"Note: {note}" for note in notes)]
    return Answer(text="\n".join(line for line in said if line), data=data)


def _compared(quotes: list[Quote], left: Left, assumed: list[str]) -> Answer:
    rows = [
        Priced(
            model=quote.name,
            total_usd=_float(quote.estimate.total_usd) if quote.estimate else None,
            high_usd=_float(quote.estimate.high_usd)
            if quote.estimate and quote.estimate.high_usd > quote.estimate.total_usd
            else None,
            cannot=list(quote.cannot) or None,
        )
        for quote in quotes
    ]
    while len(json.dumps([row.model_dump(exclude_none=True) for row in rows], ensure_ascii=False)) > LARGEST:
        rows.pop()
    rest = f" {len(quotes) - len(rows)} more are left out for length." if len(rows) < len(quotes) else ""
    count = "1 model" if len(quotes) == 1 else f"{len(quotes)} models"
    summary = f"{count} can do it, the cheapest first.{rest}" if quotes else "No model can do it."
    lines = [_line(quote) for quote in quotes[: len(rows)]]
    said = [summary, *lines, *_left_in_words(left), *(f"Note: {note}" for note in assumed)]
    data = Estimated(summary=summary, models=rows, warnings=assumed or None)
    return Answer(text="\n".join(said), data=_with_left(data, left))


def _line(quote: Quote) -> str:
    price = quote.estimate
    cost = "price not known"
    if price is not None:
        most = f", at most {usd(price.high_usd)}" if price.high_usd > price.total_usd else ""
        cost = f"{usd(price.total_usd)}{most}"
    return f"- {quote.name}: {cost}" + (f"; without {', '.join(quote.cannot)}" if quote.cannot else "")


def _with_left(data: Estimated, left: Left) -> Estimated:
    amounts = {"left_today_usd": left.day, "left_this_month_usd": left.month}
    known = {name: _float(amount) for name, amount in amounts.items() if amount is not None}
    return data.model_copy(update=known)


def _left_in_words(left: Left) -> list[str]:
    said = [
        f"{plain_usd(amount)} {when}"
        for amount, when in ((left.day, "today"), (left.month, "this month"))
        if amount is not None
    ]
    return [f"Left of the budget: {', '.join(said)}."] if said else []


def _float(amount: Decimal) -> float:
    return float(round(amount, 6))


TOOL = Tool(
    name="estimate_cost",
    title="Estimate the cost",
    description=DESCRIPTION,
    kind="reads",
    parameters=EstimateCost,
    output=Estimated,
    run=run,
)
