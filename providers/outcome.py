"""What a job asked for and what came of it, as the journal keeps it: JSON there and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from atelier.providers.admit import Admitted
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.images import picture
from atelier.providers.core.types import ImageRequest, ImageResult, Kept, Operation, Picture, Stored
from atelier.providers.journal import JobRow
from atelier.providers.quote import usd
from atelier.providers.storage import Storage

PICTURES = ("sources", "mask")
"""Fields of a request that are never sent again, and whose content is told by their hash."""

TELLABLE = ("outcome", "request_id", "code", "status")
"""Facts of an error that are kept."""


def request_json(admitted: Admitted) -> dict[str, Any]:
    """A request without its pictures, with the model that it came to."""
    request = admitted.job.request
    plain = {f.name: getattr(request, f.name) for f in fields(request) if f.name not in PICTURES}
    model = f"{admitted.choice.provider.name}/{admitted.job.model.id}"
    return {**{k: v for k, v in plain.items() if v is not None}, "model": model, "options": dict(request.options)}


def request_of(kept: Mapping[str, Any]) -> ImageRequest:
    """The same, for the records of pictures that are still to come."""
    told: dict[str, Any] = {**kept, "operation": Operation(kept["operation"])}
    return ImageRequest(**told)


def fingerprint(admitted: Admitted, in_hand: int) -> str:
    """Equal for calls that ask for the same, with the same content of pictures, to be handed over the same way."""
    request = admitted.job.request
    pictures = [*request.sources, *([request.mask] if request.mask else [])]
    content = [hashlib.sha256(each.image_bytes).hexdigest() for each in pictures]
    told = {**request_json(admitted), "pictures": content, "masked": bool(request.mask), "in_hand": bool(in_hand)}
    told.pop("origin", None)  # where a picture came from does not make it another
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def outcome_of(result: ImageResult) -> dict[str, Any]:
    """A result; its pictures by their ids. One that is in nobody's keeping is not told: it cannot be had again."""
    stored = [(kept.picture, kept.stored) for kept in result.images if kept.stored]
    return {
        "images": [
            {"id": where.id, "path": where.path, "url": where.url, "prompt_used": made.prompt_used, "seed": made.seed}
            for made, where in stored
        ],
        "provider": result.provider,
        "model": result.model,
        "estimated_usd": _text(result.estimated_usd),
        "actual_usd": _text(result.actual_usd),
        "warnings": list(result.warnings),
        "details": dict(result.details),
    }


async def result_of(row: JobRow, storage: Storage) -> ImageResult:
    """A result that was kept, with its pictures as the storage has them now. Raises not_found when all have gone."""
    told, images, gone = row.outcome, list[Kept](), list[str]()
    for each in told["images"]:
        asset = await storage.get(each["id"])
        if asset is None:
            gone.append(each["id"])
            continue
        made: Picture = picture(asset.image_bytes, prompt_used=each.get("prompt_used"), seed=each.get("seed"))
        url = await storage.link(each["id"])
        images.append(Kept(made, Stored(id=each["id"], path=each.get("path"), url=url or each.get("url"))))
    if not images:
        message = f"The pictures of {row.id} are no longer in the storage."
        raise ImageError(Reason.NOT_FOUND, message, hint="Make new ones.")
    missing = [f"No longer there: {', '.join(gone)}."] if gone else []
    return ImageResult(
        id=row.id,
        images=tuple(images),
        provider=told["provider"],
        model=told["model"],
        estimated_usd=_number(told.get("estimated_usd")),
        actual_usd=_number(told.get("actual_usd")),
        warnings=(*told.get("warnings", ()), *missing),
        details=told.get("details", {}),
    )


def error_json(error: ImageError) -> dict[str, Any]:
    """An error, as far as it may be kept."""
    facts = {name: error.facts[name] for name in TELLABLE if name in error.facts}
    return {"reason": error.reason.value, "message": error.message, "hint": error.hint, "facts": facts}


def error_of(row: JobRow) -> ImageError:
    """The error in which a job ended, which a caller may not have heard."""
    told = row.outcome
    reason = Reason(told.get("reason", Reason.NOT_FOUND))
    message = told.get("message", f"{row.id} ended before anything was sent.")
    return ImageError(reason, message, hint=told.get("hint", ""), facts={**told.get("facts", {}), "job": row.id})


def in_the_dark(row: JobRow) -> str:
    """What to tell a person who asks again for what may have been billed before."""
    return (
        f"The same was asked before ({row.id}, {row.created[:16]} UTC), and nobody knows what came of it: "
        f"it may have cost up to {usd(row.reserved_usd)} besides. Look at the vendor's dashboard."
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
