"""A vendor that answers as a test says, in the test's process: images, refusals, delays and odd bodies, in order."""

from __future__ import annotations

import base64
import io
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint, Feature, ImageRequest, Model, Operation
from atelier.providers.images.identify import picture
from atelier.providers.jobs.service import ImageService
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pricing.price_table import table
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    base64_bytes,
    invalid_response,
    parse_answer,
    parse_refusal,
)
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Job, Provider, Reply

KEY_VARIABLE = "SCRIPTED_API_KEY"
BASE_URL = "https://scripted.invalid"


@dataclass(frozen=True, slots=True)
class Delay:
    """The next answer of the script, after a delay in seconds."""

    seconds: float


@dataclass(slots=True)
class Held:
    """The next answer of the script, once the test sets `go`. `arrived` is set when the request is there."""

    arrived: anyio.Event = field(default_factory=anyio.Event)
    go: anyio.Event = field(default_factory=anyio.Event)


Step = bytes | str | Mapping[str, Any] | ImageError | Exception | Delay | Held
"""One step of a script.

bytes       these image bytes
str         this text in place of JSON, with status 200: an odd body
Mapping     this JSON with status 200
ImageError  a refusal with this reason, message and retry_after
Exception   the connection fails with it, such as an `httpx2.ReadTimeout`
Delay, Held come before the answer that follows"""

STATUS = {
    Reason.INVALID_REQUEST: 400,
    Reason.AUTHENTICATION: 401,
    Reason.QUOTA_EXCEEDED: 402,
    Reason.CONTENT_POLICY: 422,
    Reason.RATE_LIMITED: 429,
    Reason.PROVIDER_UNAVAILABLE: 503,
}
"""Reason -> status of the refusal; 400 for any other."""

EVERY_FEATURE = frozenset(Feature)
ANY_MODEL = Model(
    id="scripted-1",
    operations=frozenset(Operation),
    sizes=("512x512", "1024x1024"),
    aspect_ratios=("1:1", "16:9"),
    qualities=("low", "high"),
    formats=("png", "jpeg"),
    features=EVERY_FEATURE,
    max_count=1,
    max_sources=4,
)


class ScriptedProvider(httpx.AsyncBaseTransport):
    """A vendor whose answers are a script; after the script every answer is a small image.

    `requests` are the requests that it was sent, `asked` the same as ImageRequests. Give `service()` to the program
    under test, or `provider` to a catalog and this object as the transport.
    """

    def __init__(self, *script: Step, models: Sequence[Model] = (ANY_MODEL,), needs_key: bool = False) -> None:
        self.script = deque[Step](script)
        self.requests = list[httpx.Request]()
        self.asked = list[ImageRequest]()
        self.provider = Provider(
            name="scripted",
            title="Scripted",
            names=("scripted",),
            endpoint=Endpoint(base_url=BASE_URL, key_variables=(KEY_VARIABLE,) if needs_key else ()),
            models=tuple(models),
            default=models[0].id,
            prefixes=("scripted",),
            prepare=prepare,
            read=self._read,
            explain=explain,
        )

    def then(self, *steps: Step) -> None:
        """Add steps to the script."""
        self.script.extend(steps)

    def service(self, environ: Mapping[str, str] | None = None, **options: Any) -> ImageService:
        """Return a service over this vendor alone, without storage; `options` are those of `Pipeline`."""
        values = environ or {}
        catalog = Catalog(values.get, load=lambda: ((self.provider,), table()))
        return ImageService(Pipeline(catalog, transport=self, **options), wait=None)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Record the request, and answer by the next steps."""
        self.requests.append(request)
        while True:
            step = self.script.popleft() if self.script else small_image()
            match step:
                case Delay():
                    await anyio.sleep(step.seconds)
                case Held():
                    step.arrived.set()
                    await step.go.wait()
                case ImageError():
                    return refusal(step)
                case Exception():
                    raise step
                case bytes():
                    return httpx.Response(200, json={"image": base64.b64encode(step).decode()})
                case str():
                    return httpx.Response(200, text=step, headers={"content-type": "application/json"})
                case _:
                    return httpx.Response(200, json=dict(step))

    async def _read(self, response: httpx.Response, job: Job, wire: Wire) -> Reply:
        self.asked.append(job.request)
        answer = parse_answer(Answer, response.content)
        if not answer.image:
            raise invalid_response("The script answered without an image.")
        return Reply(pictures=(picture(base64_bytes(answer.image)),))


class Answer(VendorModel):
    image: Lenient[str] = None


class Refusal(VendorModel):
    reason: Lenient[str] = None
    error: Lenient[str] = None


def prepare(job: Job) -> httpx.Request:
    """Build a request with every field of the ImageRequest, images as their number of bytes."""
    request = job.request
    body = {
        "model": job.model.id,
        "operation": request.operation.value,
        "prompt": request.prompt,
        "size": request.size,
        "aspect_ratio": request.aspect_ratio,
        "quality": request.quality,
        "output_format": request.output_format,
        "compression": request.compression,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "strength": request.strength,
        "sources": [len(source.image_bytes) for source in request.sources] or None,
        "mask": request.mask and len(request.mask.image_bytes),
        "options": dict(request.options) or None,
    }
    present = {name: value for name, value in body.items() if value is not None}
    return httpx.Request("POST", f"{job.endpoint.base_url}/images", json=present)


def refusal(error: ImageError) -> httpx.Response:
    """Return the answer that `explain` reads as this error."""
    headers = {} if error.retry_after is None else {"retry-after": f"{error.retry_after:g}"}
    body = {"reason": error.reason.value, "error": error.message}
    return httpx.Response(STATUS.get(error.reason, 400), json=body, headers=headers)


def explain(response: httpx.Response) -> ImageError:
    """Return the error that the script gave."""
    refusal = parse_refusal(Refusal, response.content)
    after = response.headers.get("retry-after")
    return ImageError(
        Reason(refusal.reason or Reason.INVALID_REQUEST),
        sanitize(refusal.error or f"The script answered {response.status_code}."),
        hint="The script of the test has this answer.",
        retry_after=float(after) if after else None,
    )


def small_image() -> bytes:
    """Return a PNG of 64 by 64 pixels."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(out, "PNG")
    return out.getvalue()


def sent(request: httpx.Request) -> dict[str, Any]:
    """Return the body of a recorded request."""
    return json.loads(request.read())
