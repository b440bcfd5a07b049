"""The last step: every picture to storage with its record, and the replies of several calls made one."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import anyio

from atelier.providers.core.concurrency import run_concurrently
from atelier.providers.core.errors import ImageError
from atelier.providers.core.ids import new_id
from atelier.providers.core.types import Picture, ResultImage, Usage
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.provenance import embed_facts
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.resized_copy import with_copy
from atelier.providers.pipeline.vendor_call import VendorCall
from atelier.providers.vendors.contract import Reply


async def store_images(
    storage: Storage, priced: PricedRequest, vendor_call: VendorCall, reply: Reply
) -> tuple[list[ResultImage], list[str]]:
    """Store the images of a call at once. One that no storage takes is returned without a handle, and with a warning.

    All are stored before progress tells of any: an image that is not stored yet would die with the process.
    """
    stored_before, new = Counter(vendor_call.has), list[tuple[Picture, dict[str, Any]]]()
    for made in reply.pictures:
        record = await anyio.to_thread.run_sync(asset_record, new_id("img"), priced, vendor_call, reply, made)
        if stored_before[record["original_sha256"]]:
            stored_before[record["original_sha256"]] -= 1
        else:
            new.append(await anyio.to_thread.run_sync(embed_facts, made, record))
    outcomes = await run_concurrently([partial(storage.put, record["id"], picture, record) for picture, record in new])
    for outcome in outcomes:
        if not isinstance(outcome, ImageError):
            await vendor_call.image_stored(outcome.id)
    images, warnings = list[ResultImage](), list[str]()
    for (picture, record), outcome in zip(new, outcomes, strict=True):
        handle = None if isinstance(outcome, ImageError) else outcome
        if isinstance(outcome, ImageError):
            warnings.append(f"Not stored: {outcome.message} {outcome.hint}".strip())
        elif outcome.warning:
            warnings.append(outcome.warning)
        image = ResultImage(picture, handle)
        if delivery := priced.job.request.deliver:
            image, copy_warnings = await with_copy(image, record, delivery, storage.put)
            warnings += copy_warnings
        images.append(image)
    return images, warnings


def with_prompts(reply: Reply, prompt: str) -> Reply:
    """Return the reply with the prompt that was sent on each picture whose vendor reports no rewriting of it."""
    return replace(
        reply, pictures=tuple(replace(p, prompt_used=p.prompt_used or prompt or None) for p in reply.pictures)
    )


def request_ids(details: Mapping[str, Any]) -> list[str]:
    """The vendor's id of each request that it answered, by a reply's details."""
    several: Sequence[str] = details.get("request_ids", ())
    one = details.get("request_id")
    return list(several) or ([str(one)] if one else [])


def merged(replies: Sequence[Reply]) -> Reply:
    """The replies of a job's calls as one: tokens and costs added up, every request id told."""
    ids = [reply.details["request_id"] for reply in replies if reply.details.get("request_id")]
    costs = [reply.cost_usd for reply in replies]
    details = {**replies[0].details, **({"request_ids": ids} if len(ids) > 1 else {})}
    return Reply(
        pictures=tuple(picture for reply in replies for picture in reply.pictures),
        usage=_added([reply.usage for reply in replies]),
        cost_usd=None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0)),
        warnings=tuple(dict.fromkeys(warning for reply in replies for warning in reply.warnings)),
        details=details,
    )


def shortfall(errors: Iterable[ImageError], delivery: int, got: int, collectable: str | None) -> list[str]:
    """What to say when only some of a job's pictures came; of `collectable`, the job's id, the rest may come yet."""
    reasons = dict.fromkeys(error.message for error in errors)
    warnings = [f"Only {got} of {delivery} pictures were made: {' '.join(reasons)}"] if reasons else []
    later = "What the vendor hands out within half an hour is added: the same call, or get_image with {}, has it then."
    return [*warnings, later.format(collectable)] if collectable else warnings


ASKED = ("size", "aspect_ratio", "resolution", "quality", "style", "background", "output_format", "compression")
"""Options that a record tells as they were asked, so that a picture can be asked for again."""


def asset_record(
    id: str, priced: PricedRequest, vendor_call: VendorCall, reply: Reply, picture: Picture
) -> dict[str, Any]:
    """What is written beside a picture. Money in USD, for this picture alone but for `call_usd`: all of the call."""
    request = priced.job.request
    price = priced.estimate
    asked = {name: value for name in (*ASKED, "strength") if (value := getattr(request, name)) is not None}
    share = reply.cost_usd / len(reply.pictures) if reply.cost_usd is not None else None
    return {
        "id": id,
        "job": priced.job.id,
        "call": vendor_call.id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "operation": request.operation.value,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "prompt_used": picture.prompt_used,
        "provider": priced.choice.provider.name,
        "model": priced.job.model.id,
        "seed": picture.seed if picture.seed is not None else vendor_call.job.request.seed,
        "asked": {**asked, **request.options},
        "width": picture.width,
        "height": picture.height,
        "mime": picture.mime,
        "bytes": len(picture.image_bytes),
        "original_sha256": hashlib.sha256(picture.image_bytes).hexdigest(),  # known again when it is collected twice
        "estimated_usd": None if price is None else float(price.per_image_usd),
        "actual_usd": None if share is None else float(share),
        "call_usd": None if reply.cost_usd is None else float(reply.cost_usd),
        "usage": _tokens(reply.usage),
        "parent": request.parent,
        "details": dict(reply.details),
    }


def _tokens(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, **usage.details}


def _added(usages: Sequence[Usage | None]) -> Usage | None:
    counted = [usage for usage in usages if usage is not None]
    if len(counted) <= 1:
        return counted[0] if counted else None
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in counted),
        output_tokens=sum(usage.output_tokens for usage in counted),
        details={"calls": [dict(usage.details) for usage in counted]},
    )
