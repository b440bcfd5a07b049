"""What the job store keeps of a job: request, result and error as JSON, and the hashes that equal calls share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from decimal import Decimal
from typing import Any

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult, ResultImage, Usage
from atelier.providers.core.sizes import ResizeSpec, parse_size
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.identify import picture
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.job_store import CallIdentity, JobRow
from atelier.providers.pipeline.states import JobState
from atelier.providers.pricing.price_parts import usd

NOT_STORED = ("sources", "mask", "notes")
"""Fields of a request that are not stored; a fingerprint has the hashes of the images' content."""

DAMAGE_ERRORS = (LookupError, TypeError, ValueError, ArithmeticError)
"""Errors from reading a row whose JSON is damaged."""

STORED_FACTS = ("outcome", "request_id", "code", "status", "billed_usd")
"""Facts of an error that are stored."""

AUTO_FIELDS = ("size", "quality", "background")
"""Fields in which "auto" means the same as leaving the field out."""

TEXT_FIELDS = ("prompt", "negative_prompt")
"""Fields in which surrounding space makes no difference."""


def encode_request(priced: PricedRequest) -> dict[str, Any]:
    """Return a request as JSON, without its sources and with the resolved model."""
    request = priced.job.request
    plain = {f.name: getattr(request, f.name) for f in fields(request) if f.name not in NOT_STORED}
    model = f"{priced.choice.provider.name}/{priced.job.model.id}"
    copy = {"deliver": asdict(request.deliver)} if request.deliver else {}
    return {
        **{k: v for k, v in plain.items() if v is not None},
        "model": model,
        "options": dict(request.options),
        **copy,
    }


def decode_request(stored: Mapping[str, Any]) -> ImageRequest:
    """Return the request of a stored job, without its sources."""
    fields_: dict[str, Any] = {**stored, "operation": Operation(stored["operation"])}
    for added in ("asked", "home"):
        fields_.pop(added, None)
    if copy := fields_.get("deliver"):
        size = copy["size"]
        fields_["deliver"] = ResizeSpec(
            size=(size[0], size[1]) if size else None, fit=copy["fit"], max_kb=copy["max_kb"]
        )
    return ImageRequest(**fields_)


def fingerprint(priced: PricedRequest, inline: bool, home: str = "") -> str:
    """Return a hash that is equal for equal requests: the same options, source content and kind of delivery."""
    request = priced.job.request
    pictures = [*request.sources, *([request.mask] if request.mask else [])]
    content = [hashlib.sha256(each.image_bytes).hexdigest() for each in pictures]
    identity = {**encode_request(priced), "pictures": content, "masked": bool(request.mask), "inline": inline,
            "home": home}  # fmt: skip
    identity.pop("origin", None)  # where a source came from makes no difference
    identity.pop("vendor_image", None)
    identity = {
        name: value for name, value in identity.items() if name not in AUTO_FIELDS or value != "auto"
    }  # as when left out
    if (size := request.size) and (edges := priced.job.model.pixels.get(size) or parse_size(size)):
        identity["size"] = edges
    identity |= {name: str(identity[name]).strip() for name in TEXT_FIELDS if name in identity}
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()


def key_hash(key: str) -> str:
    """Return the hash by which an idempotency key, or the text of its call, is stored."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def check_key(identity: CallIdentity, other: str | None) -> None:
    """Raise invalid_request if a key was used for another request. `other` is the fingerprint of the earlier one."""
    if identity.key and other is not None and other != identity.fingerprint:
        message = "This idempotency key was used for another request in the last 24 hours."
        hint = "Give every request its own key."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=hint, facts={"key": "taken"})


def encode_result(result: ImageResult) -> dict[str, Any]:
    """Return a result as JSON, with the ids of its stored images."""
    usage = result.usage
    return {
        "images": [stored for image in result.images if (stored := _image_json(image))],
        "provider": result.provider,
        "model": result.model,
        "estimated_usd": _text(result.estimated_usd),
        "actual_usd": _text(result.actual_usd),
        "usage": usage and {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens},
        "warnings": list(result.warnings),
        "details": dict(result.details),
        **({"inline": True} if result.inline else {}),
    }


async def decode_result(row: JobRow, storage: Storage) -> ImageResult:
    """Return a stored result, with its images as the storage has them now.

    Raises not_found when all are gone, storage_failed when the row is damaged.
    """
    try:
        return await _result(row, storage)
    except DAMAGE_ERRORS as error:
        raise _damaged(row) from error


async def _result(row: JobRow, storage: Storage) -> ImageResult:
    stored = row.outcome
    found = [(each["id"], await _image(each, storage)) for each in stored["images"]]
    images, gone = [image for _, image in found if image], [id for id, image in found if image is None]
    if not images:
        message = f"The images of {row.id} are no longer in the storage."
        raise ImageError(Reason.NOT_FOUND, message, hint="Make new ones.", facts={"gone": row.id})
    missing = [f"No longer there: {', '.join(gone)}."] if gone else []
    return ImageResult(
        id=row.id,
        images=tuple(images),
        provider=stored["provider"],
        model=stored["model"],
        estimated_usd=_number(stored.get("estimated_usd")),
        usage=Usage(**stored["usage"]) if stored.get("usage") else None,
        actual_usd=_number(stored.get("actual_usd")),
        warnings=(*stored.get("warnings", ()), *missing),
        details=stored.get("details", {}),
        inline=bool(stored.get("inline")),
    )


def with_locations(result: ImageResult, storage: Storage | None) -> ImageResult:
    """Return the result with the path or link of each image, as this caller can use it."""
    if storage is None:
        return result
    return replace(result, images=tuple(_with_location(image, storage) for image in result.images))


def _with_location(image: ResultImage, storage: Storage) -> ResultImage:
    stored = image.stored and replace(storage.located(image.stored), warning=image.stored.warning)
    return replace(image, stored=stored, copy=image.copy and _with_location(image.copy, storage))


def _image_json(image: ResultImage) -> dict[str, Any] | None:
    """Return a stored image and its copy as JSON; None for an image that is not stored."""
    where, made = image.stored, image.picture
    if where is None:
        return None
    copy = {"copy": stored} if image.copy and (stored := _image_json(image.copy)) else {}
    return {"id": where.id, "prompt_used": made.prompt_used, "seed": made.seed, **copy}


async def _image(stored: Mapping[str, Any], storage: Storage) -> ResultImage | None:
    """Return a stored image with a fresh link; None if it is gone."""
    asset = await storage.get(stored["id"])
    if asset is None:
        return None
    made = picture(asset.image_bytes, prompt_used=stored.get("prompt_used"), seed=stored.get("seed"))
    copy = await _image(stored["copy"], storage) if "copy" in stored else None
    return ResultImage(made, await storage.where(stored["id"]), copy)


def encode_error(error: ImageError) -> dict[str, Any]:
    """Return an error as JSON, with the facts in STORED_FACTS."""
    facts = {name: error.facts[name] for name in STORED_FACTS if name in error.facts}
    if "billed_usd" in facts:
        facts["billed_usd"] = str(facts["billed_usd"])
    stored = {"reason": error.reason.value, "message": error.message, "hint": error.hint, "facts": facts}
    return {**stored, "retry_after": error.retry_after} if error.retry_after is not None else stored


def decode_error(row: JobRow) -> ImageError:
    """Return the error in which a job ended; storage_failed if the row is damaged."""
    stored = row.outcome
    try:
        facts = {**stored.get("facts", {}), "job": row.id}
        if "billed_usd" in facts:
            facts["billed_usd"] = Decimal(facts["billed_usd"])
        hint, pause = stored.get("hint", ""), stored.get("retry_after")
        return ImageError(Reason(stored["reason"]), stored["message"], hint=hint, retry_after=pause, facts=facts)
    except DAMAGE_ERRORS:
        return _damaged(row)


def _damaged(row: JobRow) -> ImageError:
    message = f"The result of {row.id} cannot be read: its row in the database is damaged."
    hint = "If it has images, get_image with list=true shows them; look there before you ask for new ones."
    return ImageError(Reason.STORAGE_FAILED, message, hint=hint, facts={"job": row.id, "damaged": row.id})


def unknown_outcome_warning(row: JobRow) -> str:
    """Return the warning that an earlier, equal request may have been billed."""
    before = f"The same request was made before ({row.id}, {row.created_at:%Y-%m-%d %H:%M} UTC)"
    if billed := decode_error(row).facts.get("billed_usd"):
        return f"{before}; it was billed {usd(billed)}, but no image was received."
    return (
        f"{before}; its outcome is unknown, "
        f"and it may have been billed up to {usd(row.reserved_usd)}. Check the vendor's dashboard."
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def final_state(
    *, has_images: bool, outcome_known: bool, billed: bool, refused: bool = False, cancelled: bool = False
) -> JobState:
    """Return the state in which a job ends.

    `outcome_known` is False while a vendor may have done work that is not accounted for. `billed` and not `refused`
    (by the vendor, for its content) means that an image was paid for and is not there.
    """
    if has_images:
        return JobState.COMPLETED
    if not outcome_known or (billed and not refused):
        return JobState.OUTCOME_UNKNOWN
    return JobState.CANCELLED if cancelled else JobState.FAILED
