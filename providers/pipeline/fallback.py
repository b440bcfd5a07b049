"""Fall back to another model after a temporary failure that cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import Operation, Progress
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pipeline.prepare import PreparedJob


def check_fallback_names(catalog: Catalog, models: Sequence[str], operation: Operation) -> None:
    """Raise unknown_model for a wrong name at once, not only when the model is needed."""
    for name in models:
        try:
            catalog.resolve(name, operation)
        except ImageError as error:
            error.message = f"“fallback” is wrong. {error.message}"
            raise


async def run_with_fallback(
    pipeline: Pipeline,
    prepared: PreparedJob,
    models: Sequence[str],
    on_progress: Progress,
    on_replaced: Callable[[PreparedJob], None],
) -> ImageResult:
    """Execute the job; after a temporary failure that was not billed, try the fallback models in order.

    The budget is checked for each attempt. The result and the last error list the failed attempts; `on_replaced` is
    called with each new attempt.
    """
    failures, remaining = list[str](), list(models)

    def continue_with(attempt: PreparedJob) -> None:
        nonlocal prepared
        prepared = attempt
        on_replaced(attempt)

    while True:
        try:
            result = await pipeline.execute(prepared, on_progress=on_progress, on_replaced=continue_with)
        except ImageError as error:
            charged = prepared.spent_usd != 0
            if not remaining or not error.retryable or error.outcome_unknown or charged or prepared.stop.cancel_called:
                raise _with_failures(error, failures) from error.__cause__
            skipped = list[str]()
            attempt = await _next_attempt(pipeline, prepared, remaining, skipped)
            if attempt is None:
                raise _with_failures(error, [*failures, *skipped]) from error.__cause__
            failures += [f"{_name(prepared.priced)} failed: {error.message}", *skipped]
            if prepared.stop.cancel_called:  # all callers left meanwhile
                attempt.stop.cancel()
            continue_with(attempt)
            await on_progress(f"Falling back to {_name(prepared.priced)}.")
        else:
            summary = f"Made with {_name(prepared.priced)} instead of the requested model. {' '.join(failures)}"
            return replace(result, warnings=(*([summary] if failures else ()), *result.warnings))


async def _next_attempt(
    pipeline: Pipeline, prepared: PreparedJob, remaining: list[str], skipped: list[str]
) -> PreparedJob | None:
    """Return the job with the next model that can do it, within the budget and the confirmed price."""
    first = prepared.priced

    async def costs_no_more(question: str) -> bool:
        return bool(first.estimate and other.estimate and other.estimate.high_usd <= first.estimate.high_usd)

    while remaining:
        name = remaining.pop(0)
        try:
            other = pipeline.admit(replace(first.job.request, model=name))
            other = replace(other, warnings=(*first.dropped, *other.warnings), dropped=first.dropped)
            return await pipeline.prepare_replacement(prepared, other, costs_no_more)
        except ImageError as error:
            skipped.append(f"{name} was skipped: {error.message}")
    return None


def _with_failures(error: ImageError, failures: Sequence[str]) -> ImageError:
    if failures:
        error.hint = f"{error.hint} Also tried: {' '.join(failures)}".strip()
    return error


def _name(priced: PricedRequest) -> str:
    return f"{priced.choice.provider.name}/{priced.job.model.id}"
