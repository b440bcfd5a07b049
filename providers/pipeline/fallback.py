"""Another attempt after a failure that cost nothing: with a milder prompt (`safe_prompt`), or with a fallback model.

The answer warns of either; the `prompt_used` of a second attempt is the milder prompt.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.option_gates import SAFE_PROMPT
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest, Operation, Progress
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.prepare import PreparedJob
from atelier.providers.pricing.budget import Confirm

if TYPE_CHECKING:
    from atelier.providers.pipeline.pipeline import Pipeline

SOFTER = {
    "blood": "red paint",
    "bloody": "paint-stained",
    "bloodied": "paint-stained",
    "gore": "mess",
    "gory": "messy",
    "corpse": "sleeping figure",
    "corpses": "sleeping figures",
    "dead": "sleeping",
    "kill": "chase",
    "killing": "chasing",
    "killed": "chased",
    "murder": "chase",
    "murdered": "chased",
    "stabbed": "confronted",
    "shot": "confronted",
    "tortured": "captured",
    "gun": "toy",
    "guns": "toys",
    "rifle": "toy",
    "knife": "wooden prop",
    "weapon": "prop",
    "weapons": "props",
    "bomb": "fireworks",
    "explosion": "fireworks",
    "war": "parade",
    "naked": "fully clothed",
    "nude": "fully clothed",
    "topless": "fully clothed",
    "sexy": "elegant",
    "erotic": "romantic",
    "lingerie": "evening dress",
    "drugs": "sweets",
    "cocaine": "sugar",
    "nsfw": "",
    "explicit": "",
    "graphic": "",
    "violent": "lively",
    "violence": "commotion",
}
"""Word that image filters object to -> its replacement; an empty one removes the word."""

CLAUSE = "Show it as a safe, non-graphic and clearly fictional picture, suitable for all ages."

WORD = re.compile(rf"\b({'|'.join(SOFTER)})\b[ \t]?", re.IGNORECASE)

SECOND_ATTEMPT_HINT = "This was the second attempt, with the softened prompt of safe_prompt."


async def prepare_softened(
    admit: Callable[[ImageRequest], PricedRequest],
    prepare_replacement: Callable[[PreparedJob, PricedRequest, Confirm], Awaitable[PreparedJob]],
    prepared: PreparedJob,
    error: ImageError,
) -> PreparedJob | None:
    """Return the second attempt after an error, with its reservations written; None if there is none.

    Only its calls have the softened prompt: records and the result have the request as the caller made it.
    """
    if not may_soften(prepared, error):
        return None
    first, prompt = prepared.priced, soften(prepared.priced.job.request.prompt)
    model = f"{first.choice.provider.name}/{first.job.model.id}"
    try:
        milder = admit(replace(first.job.request, model=model, prompt=prompt))
        replacement = await prepare_replacement(prepared, milder, _consent)
    except ImageError as obstacle:
        error.hint = f"{error.hint} safe_prompt could not send a softened prompt: {obstacle.message}".strip()
        return None
    return replace(replacement, priced=replace(first, warnings=(softened_warning(prompt), *first.warnings)))


def may_soften(prepared: PreparedJob, error: ImageError) -> bool:
    """Whether a second attempt was requested and is free of risk: the vendor refused the content and billed nothing."""
    request = prepared.priced.job.request
    requested = request.options.get(SAFE_PROMPT) is True and bool(request.prompt) and None not in prepared.requests
    refused_for_free = error.reason is Reason.CONTENT_POLICY and not error.outcome_unknown and prepared.spent_usd == 0
    return requested and refused_for_free and not prepared.stop.cancel_called


def soften(prompt: str) -> str:
    """Return the prompt with milder words and a sentence that asks for a safe depiction."""

    def milder(found: re.Match[str]) -> str:
        word = SOFTER[found[1].lower()]
        return word + found[0][len(found[1]) :] if word else ""

    words = WORD.sub(milder, prompt).strip()
    return f"{words.rstrip('.')}. {CLAUSE}" if words else CLAUSE


def softened_warning(prompt: str) -> str:
    """Return the warning that quotes the softened prompt."""
    return (
        f"The prompt was refused as it was written, at no cost, and safe_prompt sent it softened: “{sanitize(prompt)}”"
    )


async def _consent(question: str) -> bool:
    """The caller consented to the price of the first attempt, which cost nothing."""
    return True


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
