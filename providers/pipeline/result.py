"""Merge the results of a job's vendor calls into one result with its warnings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import ImageResult, Usage
from atelier.providers.pipeline.budget_check import cost_variance
from atelier.providers.pipeline.prepared_job import PreparedJob
from atelier.providers.pipeline.store_images import CallResult
from atelier.providers.vendors.contract import Reply

BILLED_TWICE = "A call timed out and was sent again; the first may have been billed as well."


def merged_result(prepared: PreparedJob, outcomes: Sequence[CallResult | ImageError]) -> ImageResult:
    """Return the result of a job by the outcomes of its vendor calls.

    Raises their error when no call made an image; one that may be billed comes before the others.
    """
    priced, request = prepared.priced, prepared.priced.job.request
    done = [outcome for outcome in outcomes if not isinstance(outcome, ImageError)]
    errors = [outcome for outcome in outcomes if isinstance(outcome, ImageError)]
    if not done:
        raise next((error for error in errors if error.outcome_unknown), errors[0])
    reply = merged_reply([each.reply for each in done])
    images = [image for each in done for image in each.images]
    complete = len(images) == request.count
    billed_twice = any(vendor_call.possibly_billed_twice for vendor_call in prepared.vendor_calls)
    warnings = (
        *shortfall_warnings(errors, request.count, len(images), priced.job.id if prepared.collectable else None),
        *priced.warnings,
        *(cost_variance(priced, prepared.vendor_calls) if complete else ()),
        *([BILLED_TWICE] if billed_twice else ()),
        *reply.warnings,
        *(picture.warning for picture in (*request.sources, *(image.picture for image in images)) if picture.warning),
        *(warning for each in done for warning in each.warnings),
    )
    return ImageResult(
        id=priced.job.id,
        images=tuple(images),
        provider=priced.choice.provider.name,
        model=priced.job.model.id,
        usage=reply.usage,
        estimated_usd=priced.estimate.total_usd if priced.estimate else None,
        actual_usd=prepared.spent_usd,
        notice=priced.choice.notice,
        warnings=tuple(dict.fromkeys(warnings)),
        details=reply.details,
    )


def merged_reply(replies: Sequence[Reply]) -> Reply:
    """Return the replies of a job's calls as one, with the sums of tokens and costs and with every request id.

    The images are not in it; a `CallResult` has them.
    """
    ids = [reply.details["request_id"] for reply in replies if reply.details.get("request_id")]
    costs = [reply.cost_usd for reply in replies]
    details = {**replies[0].details, **({"request_ids": ids} if len(ids) > 1 else {})}
    return Reply(
        pictures=(),
        usage=_added([reply.usage for reply in replies]),
        cost_usd=None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0)),
        warnings=tuple(dict.fromkeys(warning for reply in replies for warning in reply.warnings)),
        details=details,
    )


def shortfall_warnings(errors: Iterable[ImageError], count: int, got: int, collectable: str | None) -> list[str]:
    """Return the warnings when only some of `count` images came. `collectable` is the id of a job that may get more."""
    reasons = dict.fromkeys(error.message for error in errors)
    warnings = [f"Only {got} of {count} images were made: {' '.join(reasons)}"] if reasons else []
    later = "Images that arrive within 30 minutes are added: the same call, or get_image with {}, collects them."
    return [*warnings, later.format(collectable)] if collectable else warnings


def _added(usages: Sequence[Usage | None]) -> Usage | None:
    counted = [usage for usage in usages if usage is not None]
    if len(counted) <= 1:
        return counted[0] if counted else None
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in counted),
        output_tokens=sum(usage.output_tokens for usage in counted),
        details={"calls": [dict(usage.details) for usage in counted]},
    )
