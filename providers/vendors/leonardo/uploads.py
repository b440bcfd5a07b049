"""Upload sources to Leonardo before a request: a form for the vendor's storage, then the file, without the key.

The form is valid for two minutes. An upload costs nothing.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import JsonValue

from atelier.providers.core.types import Picture
from atelier.providers.transport.multipart import multipart
from atelier.providers.transport.vendor_json import VendorModel, invalid_response, lenient_json, parse_answer
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Completed, Job
from atelier.providers.vendors.leonardo.bodies import MASK, UPLOAD


class Form(VendorModel):
    """Where a file is sent; `fields` is a JSON object in a text."""

    id: str = ""
    url: str = ""
    fields: str = "{}"


class Place(VendorModel):
    upload_init_image: Form | None = None


class Canvas(VendorModel):
    """`masks_image_id` is the name in older copies of the vendor's document."""

    init_image_id: str = ""
    init_url: str = ""
    init_fields: str = "{}"
    mask_image_id: str = ""
    masks_image_id: str = ""
    mask_url: str = ""
    mask_fields: str = "{}"


class CanvasPlace(VendorModel):
    upload_canvas_init_image: Canvas | None = None


async def complete(request: httpx.Request, job: Job, wire: Wire) -> Completed:
    """Upload the sources that the request names, and return it with the vendor's ids in their places."""
    text, names = request.read().decode(), dict[str, str]()
    sources = [source for n, source in enumerate(job.request.sources) if json.dumps(UPLOAD.format(n)) in text]
    if not sources:
        return Completed(request)
    await wire.on_progress("Uploading the source to Leonardo.Ai.")
    if job.request.mask:
        names = await _canvas(job, sources[0], job.request.mask, wire)
    else:
        for number, source in enumerate(sources):
            names[UPLOAD.format(number)] = await _one(job, source, wire)
    for placeholder, id in names.items():
        text = text.replace(json.dumps(placeholder), json.dumps(id))
    return Completed(httpx.Request("POST", request.url, json=json.loads(text)))


async def _one(job: Job, source: Picture, wire: Wire) -> str:
    answer = await _post(job, "init-image", {"extension": source.format}, wire)
    place = parse_answer(Place, answer).upload_init_image
    if place is None or not (place.id and place.url):
        raise invalid_response("Leonardo.Ai named no place for the source image.")
    await _send(place, source, wire)
    return place.id


async def _canvas(job: Job, source: Picture, mask: Picture, wire: Wire) -> dict[str, str]:
    extensions = {"initExtension": source.format, "maskExtension": mask.format}
    answer = parse_answer(CanvasPlace, await _post(job, "canvas-init-image", extensions, wire))
    place = answer.upload_canvas_init_image
    if place is None or not (place.init_image_id and (place.mask_image_id or place.masks_image_id)):
        raise invalid_response("Leonardo.Ai named no place for the source image and its mask.")
    await _send(Form(url=place.init_url, fields=place.init_fields), source, wire)
    await _send(Form(url=place.mask_url, fields=place.mask_fields), mask, wire)
    return {UPLOAD.format(0): place.init_image_id, MASK: place.mask_image_id or place.masks_image_id}


async def _post(job: Job, path: str, body: dict[str, Any], wire: Wire) -> bytes:
    return (await wire.free("POST", f"{job.endpoint.base_url}/v1/{path}", json=body)).content


async def _send(form: Form, picture: Picture, wire: Wire) -> None:
    """Send a file to the storage, its fields first."""
    try:
        fields: JsonValue = lenient_json(form.fields.encode())
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise invalid_response("Leonardo.Ai sent a form that cannot be read.")
    request = multipart(form.url, fields, [("file", picture)])
    headers = {"content-type": request.headers["content-type"]}
    await wire.free("POST", form.url, with_key=False, content=request.content, headers=headers)
