"""Draw one prompt with several models, priced and budgeted as one: `models` of generate_image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import anyio
from pydantic import BaseModel

from atelier.providers.core.concurrency import run_on_processor
from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import ImageResult, ResultImage
from atelier.providers.core.types import ImageRequest
from atelier.providers.images.contact_sheet import Tile, contact_sheet
from atelier.providers.jobs.service import ImageService
from atelier.providers.jobs.waiter import JobHandle
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.prepare import check_total
from atelier.tools.image_answer import ImageData, ImageOutput, image_data, usd
from atelier.tools.tool import ANSWER_BUDGET, Answer, Call, confirmed

SHEET = "One contact sheet is attached; if you cannot see it, do not describe it. Show the user the paths or links."


class ModelOutcome(BaseModel):
    """What one model of a comparison came to: its images by id, the job that still runs, or why there is none."""

    model: str
    actual_usd: float | None = None
    seconds: float | None = None
    images: list[str] | None = None
    job: str | None = None
    error: str | None = None


class CompareOutput(ImageOutput):
    """The images of several models, and what each model came to."""

    models: list[ModelOutcome]


@dataclass(slots=True)
class _Attempt:
    """One model of a comparison, and how its call ended."""

    request: ImageRequest
    priced: PricedRequest
    seconds: float = 0.0
    result: ImageResult | JobHandle | None = None
    error: ImageError | None = None

    @property
    def name(self) -> str:
        return f"{self.priced.choice.provider.name}/{self.priced.job.model.id}"

    @property
    def images(self) -> Sequence[ResultImage]:
        return self.result.images if isinstance(self.result, ImageResult) else ()


async def compare_models(requests: Sequence[ImageRequest], service: ImageService, call: Call, *, sure: bool) -> Answer:
    """Make the images of every request at once, and return them with a contact sheet. Names of one model count once.

    Every model has to pass its gates, and the sum of their prices the caps and the question of the price, before any of
    them is sent anything. `sure` says that the user has confirmed the cost. Raises ImageError when no model made one.
    """
    admitted = [_Attempt(request, service.pipeline.admit(request)) for request in requests]
    attempts = list({attempt.name: attempt for attempt in admitted}.values())
    confirm = call.confirm_price if sure else call.confirm
    pipeline = service.pipeline
    await check_total(pipeline.budget, pipeline.store, [each.priced for each in attempts], call.caller, confirm)
    async with anyio.create_task_group() as tasks:
        for attempt in attempts:
            tasks.start_soon(_make, attempt, service, call)
    if not any(attempt.result for attempt in attempts):
        raise next(attempt.error for attempt in attempts if attempt.error)
    return await _answer(attempts)


async def _make(attempt: _Attempt, service: ImageService, call: Call) -> None:
    """Make the images of one model. Its failure is reported, and stops no other model."""
    began = anyio.current_time()
    try:
        attempt.result = await service.submit(
            attempt.request,
            caller=call.caller,
            fallback=[],
            key=call.key and f"{call.key} {attempt.name}",
            on_progress=call.on_progress,
            confirm=confirmed,
        )
    except ImageError as error:
        attempt.error = error
    attempt.seconds = anyio.current_time() - began


async def _answer(attempts: Sequence[_Attempt]) -> Answer:
    """Return the answer: a line for each model, the separate images, and one sheet in place of their previews."""
    tiles = [Tile(image.image_bytes, each.name, _words(each)) for each in attempts for image in each.images]
    tiles += [Tile(None, each.name, _words(each)) for each in attempts if not each.images]
    sheet = await run_on_processor(contact_sheet, tiles, ANSWER_BUDGET)
    done = [each.result for each in attempts if isinstance(each.result, ImageResult)]
    spent = _total([result.actual_usd for result in done])
    images = [image for result in done for image in result.images]
    count = f"{len(images)} image{'' if len(images) == 1 else 's'} by {len(done)} of {len(attempts)} models"
    cost = f"cost {usd(spent)} together" if spent is not None else "cost not known"
    warnings = [warning for result in done for warning in result.warnings]
    data = CompareOutput(
        summary=f"{count}, {cost}; show the user the paths or links.",
        images=[image_data(image) for image in images],
        provider=", ".join(dict.fromkeys(result.provider for result in done)),
        model=", ".join(result.model for result in done),
        actual_usd=None if spent is None else float(spent),
        warnings=warnings or None,
        models=[_outcome(each) for each in attempts],
    )
    lines = [
        f"{count}, {cost}.",
        *(line for each in attempts for line in _lines(each)),
        *(f"Note: {warning}" for warning in warnings),
        SHEET,
    ]
    return Answer(
        text="\n".join(lines), data=data, pictures=tuple(images), jobs=tuple(result.id for result in done), sheet=sheet
    )


def _lines(attempt: _Attempt) -> list[str]:
    """Return a line for the model, and one for each of its images."""
    found = [image_data(image) for image in attempt.images]
    return [f"{attempt.name}: {_words(attempt)}", *(f"  {_place(image)}" for image in found)]


def _place(image: ImageData) -> str:
    link = f" [Open full size]({image.url})" if image.url else ""
    file = f" File: {image.path}" if image.path else ""
    return f"{image.id or 'not stored'}:{link}{file}"


def _words(attempt: _Attempt) -> str:
    """Return what the model came to in a few words."""
    result = attempt.result
    if isinstance(result, ImageResult):
        cost = "cost not known" if result.actual_usd is None else usd(result.actual_usd)
        return f"{cost}, {attempt.seconds:.1f} s"
    if result:
        return f"still running; get_image with id {result.id} collects it"
    return attempt.error.message if attempt.error else "nothing was made"


def _outcome(attempt: _Attempt) -> ModelOutcome:
    result = attempt.result
    done = isinstance(result, ImageResult)
    return ModelOutcome(
        model=attempt.name,
        actual_usd=float(result.actual_usd) if done and result.actual_usd is not None else None,
        seconds=round(attempt.seconds, 1) if done else None,
        images=[image.stored.id for image in attempt.images if image.stored] or None,
        job=result.id if isinstance(result, JobHandle) else None,
        error=attempt.error.message if attempt.error else None,
    )


def _total(amounts: Sequence[Decimal | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None
