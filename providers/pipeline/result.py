"""The images of a job: store those of each vendor call with their records, and merge the calls into one result."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from atelier.providers.core.concurrency import run_concurrently
from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import AssetHandle, ImageResult, ResultImage, Usage
from atelier.providers.core.tracing import new_id, span
from atelier.providers.core.types import Picture
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.provenance import embed_facts
from atelier.providers.images.resize import with_copy
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.prepare import PreparedJob
from atelier.providers.pipeline.vendor_call import VendorCall
from atelier.providers.pricing.price_parts import total, usd
from atelier.providers.vendors.contract import Reply

BILLED_TWICE = "A call timed out and was sent again; the first may have been billed as well."

WARNED_VARIANCE = Decimal("0.2")
"""The share by which a bill may differ from its estimate without a warning."""


log = logging.getLogger("atelier")


NewAsset: TypeAlias = tuple[Picture, dict[str, Any]]
"""An image that is to be stored, and its record."""


class CallResult(NamedTuple):
    """The result of one vendor call: its reply, its images, and warnings about those that could not be stored.

    The reply has no pictures any more: they would double the memory that the images take.
    """

    reply: Reply
    images: list[ResultImage]
    warnings: list[str]


def with_prompts(reply: Reply, prompt: str) -> Reply:
    """Return the reply with the prompt that was sent on each image whose vendor reports no rewritten prompt."""
    return replace(
        reply, pictures=tuple(replace(p, prompt_used=p.prompt_used or prompt or None) for p in reply.pictures)
    )


def new_assets(prepared: PreparedJob, vendor_call: VendorCall, reply: Reply) -> list[NewAsset]:
    """Return the images of a reply, with their facts embedded and their records.

    Those that an earlier process stored of the same call are left out.
    """
    stored_before, new = Counter(vendor_call.stored_digests), list[NewAsset]()
    for made in reply.pictures:
        record = asset_record(new_id("img"), prepared, vendor_call, reply, made)
        if stored_before[record["original_sha256"]]:
            stored_before[record["original_sha256"]] -= 1
        else:
            new.append(embed_facts(made, record))
    return new


RECORDED_OPTIONS = (
    "size", "aspect_ratio", "resolution", "quality", "style", "background", "output_format", "compression", "strength",
)  # fmt: skip
"""Options that a record has as they were requested, so that the request can be repeated."""


def asset_record(
    id: str, prepared: PreparedJob, vendor_call: VendorCall, reply: Reply, picture: Picture
) -> dict[str, Any]:
    """Return the record that is stored with an image. Amounts are USD of this image; `call_usd` is the whole call's."""
    priced, request, price = prepared.priced, prepared.priced.job.request, prepared.priced.estimate
    options = {name: value for name in RECORDED_OPTIONS if (value := getattr(request, name)) is not None}
    share = reply.cost_usd / len(reply.pictures) if reply.cost_usd is not None else None
    return {
        "id": id,
        "job": priced.job.id,
        "call": vendor_call.id,
        "caller": prepared.caller,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "operation": request.operation.value,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "prompt_used": picture.prompt_used,
        "provider": priced.choice.provider.name,
        "model": priced.job.model.id,
        "seed": picture.seed if picture.seed is not None else vendor_call.job.request.seed,
        "asked": {**options, **request.options},
        "width": picture.width,
        "height": picture.height,
        "mime": picture.mime,
        "bytes": len(picture.image_bytes),
        "original_sha256": hashlib.sha256(picture.image_bytes).hexdigest(),  # recognises it when it is collected twice
        "estimated_usd": None if price is None else float(price.per_image_usd),
        "actual_usd": None if share is None else float(share),
        "call_usd": None if reply.cost_usd is None else float(reply.cost_usd),
        "usage": _tokens(reply.usage),
        "parent": request.parent,
        **({"style": request.applied_style} if request.applied_style else {}),
        **({"vendor_image": picture.vendor_image} if picture.vendor_image else {}),
        "details": dict(reply.details),
    }


def _tokens(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, **usage.details}


async def store_images(
    storage: Storage, prepared: PreparedJob, vendor_call: VendorCall, reply: Reply, new: Sequence[NewAsset]
) -> CallResult:
    """Store the images of a call concurrently. One that cannot be stored is returned without a handle, with a warning.

    `reply` needs no pictures, since `new` has them; see `new_assets`.
    """
    outcomes = await run_concurrently([partial(_stored, storage, picture, record) for picture, record in new])
    for outcome in outcomes:
        if not isinstance(outcome, ImageError):
            await vendor_call.add_asset(outcome.id)
    images, warnings = list[ResultImage](), list[str]()
    for (picture, record), outcome in zip(new, outcomes, strict=True):
        handle = None if isinstance(outcome, ImageError) else outcome
        if isinstance(outcome, ImageError):
            warnings.append(f"Not stored: {outcome.message} {outcome.hint}".strip())
        elif outcome.warning:
            warnings.append(outcome.warning)
        image = ResultImage(picture, handle)
        if resize := prepared.priced.job.request.deliver:
            image, copy_warnings = await with_copy(image, record, resize, storage.put)
            warnings += copy_warnings
        images.append(image)
    return CallResult(reply, images, warnings)


async def _stored(storage: Storage, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
    """Store one image, in a span."""
    with span("store image", {"atelier.asset.id": record["id"], "atelier.asset.size": record["bytes"]}):
        return await storage.put(record["id"], picture, record)


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
    details = {**replies[0].details, **({"request_ids": ids} if len(ids) > 1 else {})}
    return Reply(
        pictures=(),
        usage=_added([reply.usage for reply in replies]),
        cost_usd=total(reply.cost_usd for reply in replies),
        warnings=tuple(dict.fromkeys(warning for reply in replies for warning in reply.warnings)),
        details=details,
    )


def cost_variance(priced: PricedRequest, vendor_calls: Sequence[VendorCall]) -> list[str]:
    """Return a warning if the bill differs from the estimate by more than WARNED_VARIANCE, and log it."""
    estimated = total(vendor_call.estimated for vendor_call in vendor_calls)
    spent = total(vendor_call.spent for vendor_call in vendor_calls)
    if estimated is None or spent is None or abs(spent - estimated) <= WARNED_VARIANCE * estimated:
        return []
    facts = {"provider": priced.choice.provider.name, "model": priced.job.model.id, "job": priced.job.id}
    log.warning("bill differs", extra={"facts": {**facts, "estimated_usd": estimated, "billed_usd": spent}})
    price = priced.estimate
    range = f", and up to {usd(price.high_usd)} was possible" if price and price.high_usd > price.total_usd else ""
    return [f"Billed {usd(spent)}, where {usd(estimated)} was estimated{range}."]


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
