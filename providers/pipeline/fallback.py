"""Moving on to another model: only after a failure that may pass, and never after a possible charge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import ImageResult, Operation, Progress
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pipeline.prepared_job import PreparedJob


def check_names(catalog: Catalog, models: Sequence[str], operation: Operation) -> None:
    """Raise unknown_model for a name that is none: a slip is not to show only when it is needed."""
    for name in models:
        try:
            catalog.resolve(name, operation)
        except ImageError as error:
            error.message = f"“fallback” is wrong. {error.message}"
            raise


async def with_fallback(
    pipeline: Pipeline,
    prepared: PreparedJob,
    models: Sequence[str],
    on_progress: Progress,
    now: Callable[[PreparedJob], None],
) -> ImageResult:
    """Carry the work out, by the first of the models that can where its own fails. `now` hears what is worked on.

    Each attempt is held against the budget anew. The result names what was tried; so does the last error.
    """
    tried, left = list[str](), list(models)

    def move_on(to: PreparedJob) -> None:
        nonlocal prepared
        prepared = to
        now(to)

    while True:
        try:
            result = await pipeline.carry_out(prepared, on_progress=on_progress, now=move_on)
        except ImageError as error:
            charged = prepared.spent_usd != 0
            if not left or not error.retryable or error.outcome_unknown or charged or prepared.stop.cancel_called:
                raise _naming(error, tried) from error.__cause__
            passed = list[str]()
            following = await _next(pipeline, prepared, left, passed)
            if following is None:
                raise _naming(error, [*tried, *passed]) from error.__cause__
            tried += [f"{_name(prepared.priced)} failed: {error.message}", *passed]
            if prepared.stop.cancel_called:  # everybody has gone meanwhile
                following.stop.cancel()
            move_on(following)
            await on_progress(f"Moving on to {_name(prepared.priced)}.")
        else:
            said = [f"Drawn by {_name(prepared.priced)} in place of the model that was meant. {' '.join(tried)}"]
            return replace(result, warnings=(*(said if tried else ()), *result.warnings))


async def _next(pipeline: Pipeline, prepared: PreparedJob, left: list[str], passed: list[str]) -> PreparedJob | None:
    """The same job by the next model that can do it, within the budget and for no more than was agreed to."""
    first = prepared.priced

    async def no_dearer(question: str) -> bool:
        return bool(first.estimate and another.estimate and another.estimate.high_usd <= first.estimate.high_usd)

    while left:
        name = left.pop(0)
        try:
            another = pipeline.admit(replace(first.job.request, model=name))
            another = replace(another, warnings=(*first.dropped, *another.warnings), dropped=first.dropped)
            return await pipeline.begin_again(prepared, another, no_dearer)
        except ImageError as error:
            passed.append(f"{name} was passed over: {error.message}")
    return None


def _naming(error: ImageError, tried: Sequence[str]) -> ImageError:
    if tried:
        error.hint = f"{error.hint} Also tried: {' '.join(tried)}".strip()
    return error


def _name(priced: PricedRequest) -> str:
    return f"{priced.choice.provider.name}/{priced.job.model.id}"
