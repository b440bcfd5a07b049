"""The tool estimate_cost: what a picture would cost. Needs no key and sends no request."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import PROMPTLESS, ImageRequest, Operation, Picture
from atelier.providers.images.sources import SourceImage
from atelier.providers.jobs.service import ImageService
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pipeline.quotes import Quote, compare
from atelier.providers.pricing.budget import BudgetLeft
from atelier.providers.pricing.price_parts import usd as plain_usd
from atelier.providers.styles.apply import with_style
from atelier.tools.edit_image import edit_fields_of, operation_of
from atelier.tools.image_answer import usd
from atelier.tools.image_call import request_fields
from atelier.tools.parameters.tool_parameters import UNLISTED, EditParameters, EstimateCost, ImageParameters
from atelier.tools.tool import Answer, Call, Output, Tool

DESCRIPTION = """\
What generate_image or edit_image would cost with the same parameters, in USD. Free, instant; nothing is sent to a \
vendor. Returns the price, a range where the vendor prices by outcome, how it was worked out, and what is left of the \
budget. Call it when the user asks about cost, before many or large images, or after a refusal as over budget."""

EDIT_ONLY = ("image", *(name for name in EditParameters.model_fields if name not in ImageParameters.model_fields))
"""Parameters that only an edit has."""

NO_EFFECT = frozenset({
    "deliver", "output_path", "confirm_cost", "fallback", "style", "background", "output_format", "strength", "search",
    "left", "right", "top", "bottom", "mask", "images",
})  # fmt: skip
"""Parameters that hardly any price depends on. They are accepted, since a call may be repeated as an estimate."""

MAX_DATA_BYTES = 6000  # of a comparison; hosts paste it into the model's context
ASSUMED_SOURCE = Picture(b"", "png", 1024, 1024)
"""The source picture that is priced when none is given, or when it would have to be downloaded."""


class ModelPrice(BaseModel):
    """One model of a comparison."""

    model: str
    total_usd: Annotated[float | None, Field(description="Absent when the price is not known.")] = None
    high_usd: Annotated[float | None, Field(description="At most, where that is more.")] = None
    cannot: Annotated[list[str] | None, Field(description="Options that it cannot honour.")] = None


class EstimateOutput(Output):
    """A price, or the prices of every model."""

    status: Literal["done"] = "done"
    summary: str
    provider: str | None = None
    model: str | None = None
    per_image_usd: Annotated[float | None, Field(description="The likely price of one image.")] = None
    total_usd: Annotated[float | None, Field(description="The likely price of all of them.")] = None
    low_usd: Annotated[float | None, Field(description="Of all of them, at least.")] = None
    high_usd: Annotated[float | None, Field(description="Of all of them, at most; what a budget reserves.")] = None
    basis: Annotated[
        str | None, Field(description="free, flat, grid, tokens, credits, megapixels, or quoted by the vendor.")
    ] = None
    arithmetic: str | None = None
    source: str | None = None
    as_of: str | None = None
    left_today_usd: float | None = None
    left_this_month_usd: float | None = None
    models: list[ModelPrice] | None = None
    warnings: list[str] | None = None


async def run(params: EstimateCost, service: ImageService, call: Call) -> Answer:
    """Return the price of the request, or of the request by every model."""
    pipeline = service.pipeline
    request, assumed = await priced_request(params, pipeline)
    if params.style:
        styles = call.styles()
        request = await with_style(request, await styles.find(params.style), styles, pipeline)
    left, warnings = await _budget_left(pipeline, call)
    assumed += warnings
    if params.compare:
        return _format_comparison(
            compare(pipeline.catalog, replace(request, model=None)), left, [*assumed, *request.notes]
        )
    return _format_price(await pipeline.with_quote(pipeline.admit(request)), left, assumed)


async def _budget_left(pipeline: Pipeline, call: Call) -> tuple[BudgetLeft, list[str]]:
    """Return what is left of the budget, and a warning when the ledger cannot be read: the estimate needs no ledger."""
    caps = pipeline.budget.caps
    if caps.per_day is caps.per_month is None:
        return BudgetLeft(), []
    try:
        return await pipeline.store.budget_left(call.caller, caps), []
    except ImageError as error:
        return BudgetLeft(), [f"What is left of the budget is not known. {error.message} {error.hint}".strip()]


async def priced_request(params: EstimateCost, pipeline: Pipeline) -> tuple[ImageRequest, list[str]]:
    """Return the request to price and the assumptions made for it. Pictures on the web are not downloaded."""
    # gates refuse an empty prompt where the operation needs one; its length hardly changes the price
    prompt = params.prompt or ("" if params.operation in PROMPTLESS else "-")
    masked = bool(params.mask) or params.operation in (Operation.INPAINT, Operation.ERASE)
    change = [name for name in EDIT_ONLY if getattr(params, name) not in (None, [])]
    if params.operation == Operation.GENERATE and change:
        message = f"An image made from words alone takes no {' and no '.join(change)}."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Leave that out, or name the operation that is meant.")
    if params.operation == Operation.GENERATE or not (params.operation or change):
        return ImageRequest(prompt=prompt, **request_fields(params)), []
    found = [await _found(words, pipeline) for words in (params.image, *params.images)]
    pictures = [each.picture if each else ASSUMED_SOURCE for each in found]
    request = ImageRequest(
        prompt=prompt,
        **edit_fields_of(params),
        operation=operation_of(params.operation, masked),
        sources=tuple(pictures),
        mask=replace(ASSUMED_SOURCE, width=pictures[0].width, height=pictures[0].height) if masked else None,
        origin=found[0].provider if found[0] else None,
        vendor_image=found[0].vendor_image if found[0] else None,
    )
    return request, ["A source image of 1024x1024 is assumed."] if None in found else []


async def _found(words: str | None, pipeline: Pipeline) -> SourceImage | None:
    here = words and not words.strip().lower().startswith(("http://", "https://"))
    return await pipeline.sources.read(words) if here and words else None


def _format_price(priced: PricedRequest, left: BudgetLeft, assumed: list[str]) -> Answer:
    name, price = f"{priced.choice.provider.name}/{priced.job.model.id}", priced.estimate
    notes = [*assumed, *(price.notes if price else ()), *priced.warnings]
    data = EstimateOutput(summary="", provider=priced.choice.provider.name, model=priced.job.model.id)
    if price is None:
        summary, lines = f"The price of {name} is not known.", list[str]()
    else:
        count = f"{price.count} image{'' if price.count == 1 else 's'}"
        summary = f"About {usd(price.total_usd)} for {count} by {name}" + (
            f", between {usd(price.low_usd)} and {usd(price.high_usd)}." if price.low_usd < price.high_usd else "."
        )
        each = f"{usd(price.per_image_usd)} an image; " if price.count > 1 else ""
        how = f"How: {each}{price.basis}: {price.arithmetic}."
        # a free image needs no explanation
        lines = [how, f"Price from {price.source}, as of {price.as_of}."] if price.high_usd else []
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
    data = _with_budget(data.model_copy(update={"summary": summary, "warnings": notes or None}), left)
    lines = [summary, *lines, *_budget_lines(left), *(f"Note: {note}" for note in notes)]
    return Answer(text="\n".join(line for line in lines if line), data=data)


def _format_comparison(quotes: list[Quote], left: BudgetLeft, assumed: list[str]) -> Answer:
    rows = [
        ModelPrice(
            model=quote.name,
            total_usd=_float(quote.estimate.total_usd) if quote.estimate else None,
            high_usd=_float(quote.estimate.high_usd)
            if quote.estimate and quote.estimate.high_usd > quote.estimate.total_usd
            else None,
            cannot=list(quote.cannot) or None,
        )
        for quote in quotes
    ]
    while len(json.dumps([row.model_dump(exclude_none=True) for row in rows], ensure_ascii=False)) > MAX_DATA_BYTES:
        rows.pop()
    rest = f" {len(quotes) - len(rows)} more are left out for length." if len(rows) < len(quotes) else ""
    count = "1 model" if len(quotes) == 1 else f"{len(quotes)} models"
    summary = f"{count} can do it, the cheapest first.{rest}" if quotes else "No model can do it."
    lines = [_line(quote) for quote in quotes[: len(rows)]]
    lines = [summary, *lines, *_budget_lines(left), *(f"Note: {note}" for note in assumed)]
    data = EstimateOutput(summary=summary, models=rows, warnings=assumed or None)
    return Answer(text="\n".join(lines), data=_with_budget(data, left))


def _line(quote: Quote) -> str:
    price = quote.estimate
    cost = "price not known"
    if price is not None:
        upper = f", at most {usd(price.high_usd)}" if price.high_usd > price.total_usd else ""
        cost = f"{usd(price.total_usd)}{upper}"
    return f"- {quote.name}: {cost}" + (f"; without {', '.join(quote.cannot)}" if quote.cannot else "")


def _with_budget(data: EstimateOutput, left: BudgetLeft) -> EstimateOutput:
    amounts = {"left_today_usd": left.day, "left_this_month_usd": left.month}
    known = {name: _float(amount) for name, amount in amounts.items() if amount is not None}
    return data.model_copy(update=known)


def _budget_lines(left: BudgetLeft) -> list[str]:
    amounts = [
        f"{plain_usd(amount)} {when}"
        for amount, when in ((left.day, "today"), (left.month, "this month"))
        if amount is not None
    ]
    return [f"Left of the budget: {', '.join(amounts)}."] if amounts else []


def _float(amount: Decimal) -> float:
    return float(round(amount, 6))


TOOL = Tool(
    name="estimate_cost",
    title="Estimate the cost",
    description=DESCRIPTION,
    kind="reads",
    parameters=EstimateCost,
    run=run,
    unlisted=UNLISTED | NO_EFFECT,
)
