"""From a tool's answer to the answer of the contract."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from fastapi import Response
from pydantic import BaseModel

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ResultImage
from atelier.providers.jobs.service import ImageService
from atelier.server.calls import delivering
from atelier.server.http.errors import for_program
from atelier.server.http.rest.contract import APIResponse, CopyFacts, ImageData, ImageFacts, TokenCounts
from atelier.tools.get_image import GetImageOutput
from atelier.tools.image_answer import ImageOutput
from atelier.tools.tool import Answer

RETRY_AFTER = "2"  # seconds after which to ask for a job again


def answered(data: BaseModel, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return data in the envelope. It was built by its model, so FastAPI need not check it once more."""
    body = APIResponse[BaseModel](code=code, data=data).model_dump_json(serialize_as_any=True)
    return Response(body, code, headers, media_type="application/json")


def image_answer(
    answer: Answer, service: ImageService, requested: Mapping[str, Any], request_id: str | None = None
) -> Response:
    """Return images, or 202 with the job that makes them. The job is delivered once the response was sent."""
    data = _image_data(answer, requested, request_id)
    if data.status == "running":
        return answered(data, 202, {"Location": f"/image/{data.job}", "Retry-After": RETRY_AFTER})
    with delivering(service, answer.jobs):
        response = answered(data)
    if answer.pictures and not answer.inline and not any(image.stored for image in answer.pictures):
        raise _not_stored(data, answer.jobs[0])
    return response


def _not_stored(data: ImageData, job: str | None) -> ImageError:
    """Return the error for images that no storage took. It has the images, since they are paid for."""
    facts = {"job": job, "billed_usd": data.actual_usd, "sealed": True}
    message = "The images were made and paid for, and no storage took them: they are in facts.images."
    hint = "Keep them from there; the same request would make and pay for others. Tell the server's operator."
    return ImageError(
        Reason.STORAGE_FAILED, message, hint=hint, facts={**facts, "images": [image.url for image in data.images]}
    )


def _image_data(answer: Answer, requested: Mapping[str, Any], request_id: str | None) -> ImageData:
    found = answer.data
    assert isinstance(found, ImageOutput | GetImageOutput), "the tools that answer with images"
    images = [_image_facts(image) for image in answer.pictures]
    size = {"width": images[0].width, "height": images[0].height} if images else {}
    notice = [answer.notice] if answer.notice else []
    data = ImageData(
        status=found.status,
        job=found.job,
        image_url=images[0].url if images else None,
        provider=found.provider,
        model=found.model,
        settings={**requested, **size},
        images=images,
        estimated_usd=found.estimated_usd,
        actual_usd=found.actual_usd,
        request_id=request_id,
        warnings=[for_program(warning) for warning in (*notice, *(found.warnings or ()))],
    )
    if isinstance(found, ImageOutput):
        usage = found.usage and TokenCounts(**found.usage.model_dump())
        return data.model_copy(update={"usage": usage, "vendor_request_id": found.request_id})
    record = found.model_dump(include={"operation", "prompt", "parent", "created_at"})
    return data.model_copy(update=record)


def _image_facts(image: ResultImage) -> ImageFacts:
    copy = CopyFacts(**_facts(image.copy)) if image.copy else None
    return ImageFacts(**_facts(image), prompt_used=image.prompt_used, seed=image.picture.seed, delivered=copy)


def _facts(image: ResultImage) -> dict[str, Any]:
    picture, stored = image.picture, image.stored
    return {
        "id": stored.id if stored else None,
        "url": stored.url if stored else _data_uri(image),
        "mime": picture.mime,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(picture.image_bytes),
    }


def _data_uri(image: ResultImage) -> str:
    """Return the image itself: it was to be inline, or no storage takes it, and it is paid for."""
    return f"data:{image.picture.mime};base64,{b64encode(image.image_bytes).decode()}"
