"""api.stability.ai as far as pictures go, as strict as the vendor: every POST /v2beta/stable-image/{group}/{tool} that
Atelier uses, GET /v2beta/results/{id} and GET /v1/user/balance.

Facts: the vendor's OpenAPI document of 2026. Fields that an endpoint does not know are dropped without a word, as the
vendor drops them, and noted in `ignored`. Credits are taken for every finished picture.
"""

from __future__ import annotations

import base64
import hashlib
import io
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from PIL import Image
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.testing.emulators.stability_rules import (
    MODELS,
    TOOLS,
    Form,
    check,
    refuse,
    trouble,
)
from atelier.providers.testing.images import encoded, plain
from atelier.providers.testing.server import Answer, Bill, Emulator, RefusedError

KEY = "sk-emulated-stability-0123456789"
MAX_BODY_BYTES = 10 * 2**20
SEED = 343940597

MODERATED = trouble(403, "content_moderation", "Your request was flagged by our content moderation system.")
PUBLIC_FIGURE = trouble(422, "public_figure", "Our system detected the likeness of a public figure in your image.")
COPYRIGHTED = trouble(422, "copyrighted_content", "Our system has detected the presence of copyrighted content.")
NOT_ENGLISH = trouble(422, "invalid_language", "English is the only supported language for this service.")
NO_CREDITS = trouble(402, "payment_required", "You lack sufficient credits to make this request.")
TOO_LARGE = trouble(413, "payload_too_large", "body: payloads cannot be larger than 10MiB in size")
LIMIT = "You have exceeded the rate limit of 150 requests within a 10 second period, and have been timed out."
RATE_LIMITED = trouble(429, "rate_limit_exceeded", LIMIT, retry_after="0")
SHUT_OUT = trouble(429, "rate_limit_exceeded", LIMIT)
BROKEN_SERVER = trouble(500, "internal_error", "An unexpected server error has occurred, please try again later.")
GONE = trouble(404, "generation_not_found", "id: the generation either does not exist or has expired.")
BROKEN_JSON = Answer(200, b'{"finish_reason": "SUCCESS", "image": "iVBORw0K')


def drawn(form: Form) -> bytes:
    """A real picture of the size and format that the endpoint would give; what a mask covers becomes orange."""
    mode = "RGBA" if form.tool == "edit/remove-background" else "RGB"
    image = Image.new(mode, size_of(form), "teal")
    if "mask" in form.files:
        with Image.open(io.BytesIO(form.files["image"])) as source, Image.open(io.BytesIO(form.files["mask"])) as mask:
            image = source.convert(mode)
            image.paste("orange", mask=mask.convert("L"))
    return encoded(image, form.fields.get("output_format", "png"))


def size_of(form: Form) -> tuple[int, int]:
    """About a megapixel for what is generated; the source's size, widened or enlarged, for the rest."""
    source = form.files.get("image") or form.files.get("subject_image")
    if source is None or form.tool == "control/style":
        wide, high = (int(edge) for edge in form.fields.get("aspect_ratio", "1:1").split(":"))
        unit = (1_048_576 / (wide * high)) ** 0.5
        return round(wide * unit / 64) * 64, round(high * unit / 64) * 64
    with Image.open(io.BytesIO(source)) as image:
        width, height = image.size
    if form.tool == "edit/outpaint":
        left, right, up, down = (int(form.fields.get(side, "0")) for side in ("left", "right", "up", "down"))
        return width + left + right, height + up + down
    times = 4 if form.tool.startswith("upscale/") else 1
    return width * times, height * times


def answer(image: bytes, finish_reason: str = "SUCCESS", seed: int = SEED) -> dict[str, Any]:
    """The JSON of a finished picture."""
    return {"image": base64.b64encode(image).decode(), "seed": seed, "finish_reason": finish_reason}


FILTERED = Answer(200, answer(plain((64, 64), colour="grey"), "CONTENT_FILTERED"), {"x-request-id": "req_filtered"})


@dataclass(slots=True)
class Generation:
    """A picture that is being made by itself."""

    key: str
    form: Form
    image: bytes
    polls_left: int
    polled_at: float = float("-inf")


class Stability(Emulator):
    """The emulator. `url` is the host alone.

    `busy` is how often a result is still in progress, `poll_interval` the seconds that have to lie between two polls.
    `accounts` are credits by key, `forms` the parts of what was accepted, `ignored` the fields that were dropped.
    """

    def __init__(self, key: str = KEY) -> None:
        self.key = key
        routes = [
            Route("/v2beta/stable-image/{group}/{tool}", self.make, methods=["POST"]),
            Route("/v2beta/results/{id}", self.result, methods=["GET"]),
            Route("/v1/user/balance", self.balance, methods=["GET"]),
        ]
        super().__init__(routes)
        self.renew()

    def renew(self) -> None:
        """Forget everything, so that many tests can share one that is being served."""
        self.clear()
        self.accounts = {self.key: 1_000.0}
        self.busy = 0
        self.poll_interval = 10.0
        self.forms: list[Form] = []
        self.ignored: list[str] = []
        self.generations: dict[str, Generation] = {}

    @property
    def form(self) -> Form:
        """The parts of the last request that was accepted."""
        return self.forms[-1]

    async def make(self, request: Request) -> Response:
        """POST /v2beta/stable-image/{group}/{tool}"""
        key = self._greet(request, "image/*")
        form = await self._form(request)
        tool = TOOLS[form.tool]
        check(form, tool)
        price = MODELS[form.fields.get("model", "sd3.5-large")] if form.tool == "generate/sd3" else tool.credits
        if self.accounts[key] < price:
            raise RefusedError(NO_CREDITS)
        self.forms.append(form)
        self.ignored += [name for name in (*form.fields, *form.files) if name not in {**tool.fields, **tool.files}]
        self.accounts[key] -= price
        self.billed.append(Bill(Decimal(str(price)) / 100, 1))
        image = drawn(form)
        if tool.later:
            id = hashlib.sha256(f"{len(self.forms)}".encode()).hexdigest()
            self.generations[id] = Generation(key, form, image, self.busy)
            return JSONResponse({"id": id}, headers={"x-request-id": f"req_{len(self.forms)}"})
        return self._delivered(request, form, image)

    async def result(self, request: Request) -> Response:
        """GET /v2beta/results/{id}: 202 while it is in the making, 404 for another key, 429 for impatience."""
        id = request.path_params["id"]
        key = self._greet(request, "*/*")
        generation = self.generations.get(id)
        if generation is None or generation.key != key:
            raise RefusedError(GONE)
        since, generation.polled_at = time.monotonic() - generation.polled_at, time.monotonic()
        if since < self.poll_interval:
            raise RefusedError(RATE_LIMITED)
        if generation.polls_left:
            generation.polls_left -= 1
            return JSONResponse({"id": id, "status": "in-progress"}, 202)
        return self._delivered(request, generation.form, generation.image)

    async def balance(self, request: Request) -> Response:
        """GET /v1/user/balance"""
        return JSONResponse({"credits": self.accounts[self._greet(request, "*/*")]})

    def _greet(self, request: Request, media: str) -> str:
        """The key. Refuses a wrong one, and any `accept` but JSON and the endpoint's own."""
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key not in self.accounts or not request.headers.get("authorization", "").startswith("Bearer "):
            raise RefusedError(trouble(401, "unauthorized", f"authorization: invalid or missing key {key}"))
        if request.headers.get("accept", media) not in (media, "*/*", "application/json"):
            raise refuse(f"accept: must be {media} or application/json")
        return key

    async def _form(self, request: Request) -> Form:
        """The parts of a multipart body. An empty file part, as clients without a file send it, is no part."""
        tool = f"{request.path_params['group']}/{request.path_params['tool']}"
        if tool not in TOOLS:
            raise RefusedError(trouble(404, "not_found", "There is no such endpoint."))
        if len(await request.body()) > MAX_BODY_BYTES:
            raise RefusedError(TOO_LARGE)
        if not request.headers.get("content-type", "").startswith("multipart/form-data; boundary="):
            raise refuse("content-type: must be multipart/form-data")
        fields, files = dict[str, str](), dict[str, bytes]()
        async with request.form() as parts:
            for name, part in parts.multi_items():
                if name in {**fields, **files}:
                    raise refuse(f"{name}: was given twice")
                if isinstance(part, UploadFile):
                    files[name] = await part.read()
                else:
                    fields[name] = part
        return Form(tool, fields, {name: data for name, data in files.items() if data})

    def _delivered(self, request: Request, form: Form, image: bytes) -> Response:
        format = form.fields.get("output_format", "png")
        seed = int(form.fields.get("seed", "0")) or SEED
        identity = {"x-request-id": f"req_{len(self.forms)}"}
        if request.headers.get("accept", "image/*") == "application/json":
            kind = {"content-type": f"application/json; type=image/{format}"}
            return JSONResponse(answer(image, seed=seed), headers={**identity, **kind})
        headers = {"finish-reason": "SUCCESS", "seed": str(seed)}
        return Response(image, headers={**identity, **headers, "content-type": f"image/{format}"})
