"""api.bfl.ai as far as pictures go: POST /v1/{model}, a poll on another port, signed links that redirect and expire.

Facts: the vendor's OpenAPI and docs of 2026, FLUX 3 and flux-tools as read by third parties up to 2026-10. The older
schemas drop unknown fields, here as there; `dropped` tells which. FLUX 3 and outpainting-v1 refuse them.
"""

from __future__ import annotations

import base64
import binascii
import io
import secrets
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, Self

from PIL import Image
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from atelier.providers.testing.server import Answer, Bill
from tests.emulators.polled import PolledEmulator

KEY = "bfl-emulated-0123456789abcdef"
SEED = 42
EXPANDED = "A fox, expanded by the vendor."


def trouble(status: int, detail: Any, **headers: str) -> Answer:
    """FastAPI's error body; usable as a scripted fault as well."""
    return Answer(status, {"detail": detail}, {name.replace("_", "-"): value for name, value in headers.items()})


def state(word: str, http: int = 200, details: Any = None, result: Any = None) -> Answer:
    """What a poll answers."""
    body = {"id": "c0ff", "status": word, "progress": None, "details": details, "preview": None, "result": result}
    return Answer(http, body)


NOT_AUTHENTICATED = trouble(403, "Not authenticated - Invalid Authentication")
NO_CREDITS = trouble(402, "Insufficient credits. Please add credits to continue.")
NOT_FOUND = trouble(404, "Not Found")
RATE_LIMITED = trouble(429, "Rate limit exceeded", retry_after="0")
BROKEN_SERVER = trouble(500, "Internal Server Error")
OVERLOADED = trouble(503, "Service unavailable")
BROKEN_JSON = Answer(200, b'{"id": "c0ff", "polling_url": "http')
PENDING, REASONING, GENERATING = state("Pending"), state("Reasoning"), state("Generating")
REQUEST_MODERATED = state("Request Moderated", details={"Moderation Reasons": ["Public Figures"]})
CONTENT_MODERATED = state("Content Moderated", details={"Moderation Reasons": ["Derivative Works Filter"]})
FAILED = state("Error", details={"error": "The task could not be finished."})
TASK_NOT_FOUND = state("Task not found")
LINK_REFUSED = Answer(403, b"<?xml?><Error><Code>AuthenticationFailed</Code></Error>", {"content-type": "text/xml"})


def opened(data: str) -> Image.Image:
    """The picture of a field: base64, with or without a `data:` prefix."""
    return Image.open(io.BytesIO(base64.b64decode(data.rpartition(",")[2], validate=True)))


def _picture(data: str) -> str:
    try:
        with opened(data) as image:
            image.load()
    except (binascii.Error, OSError) as error:
        raise ValueError("the image is no base64 of a picture") from error
    if len(data) > 20 * 2**20:
        raise ValueError("the image is larger than 20 MB")
    return data


def _reference(data: str) -> str:
    width, height = opened(data).size
    if min(width, height) < 256 or width * height > 16_000_000:
        raise ValueError("the image must have at least 256x256 pixels and at most 16 megapixels")
    return data


def _between(ratio: str) -> str:
    width, _, height = ratio.partition(":")
    if not 9 / 21 <= int(width) / int(height) <= 21 / 9:
        raise ValueError("the ratio must be between 21:9 and 9:21")
    return ratio


Picture = Annotated[str, AfterValidator(_picture)]
Reference = Annotated[str, AfterValidator(_picture), AfterValidator(_reference)]
Ratio = Annotated[str, Field(pattern=r"^\d+:\d+$"), AfterValidator(_between)]
Edge1 = Annotated[int, Field(ge=256, le=1440, multiple_of=32)]
Edge2 = Annotated[int, Field(ge=64, multiple_of=16)] | Literal[0]
Side = Annotated[int, Field(ge=0, le=2048)]
Format = Literal["jpeg", "png", "webp"]
Named = Literal[
    "auto", "21:9", "2:1", "16:9", "3:2", "7:5", "4:3", "5:4",
    "1:1", "4:5", "3:4", "5:7", "2:3", "9:16", "1:2", "9:21",
]  # fmt: skip
RESOLUTION_PIXELS = {"768sq": 768, "1k": 1024, "1.5k": 1536, "2k": 2048, "4k": 4096}


class Inputs(BaseModel):
    """What every schema before FLUX 3 has. An unknown field is dropped."""

    seed: int | None = None
    safety_tolerance: int = Field(2, ge=0, le=6)
    output_format: Format | None = "jpeg"

    @property
    def size(self) -> tuple[int, int]:
        """The picture that comes of it, in pixels."""
        return 1024, 1024


class Prompted(Inputs):
    prompt: str | None = None
    prompt_upsampling: bool = False


class Flux1(Prompted):
    image_prompt: Picture | None = None
    width: Edge1 = 1024
    height: Edge1 = 768

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height


class Dev(Flux1):
    steps: int = Field(28, ge=1, le=50)
    guidance: float = Field(3, ge=1.5, le=5)


class Ultra(Prompted):
    aspect_ratio: Ratio = "16:9"
    raw: bool = False
    image_prompt: Picture | None = None
    image_prompt_strength: float = Field(0.1, ge=0, le=1)


class Kontext(Prompted):
    prompt: str | None = Field()
    input_image: Picture | None = None
    input_image_2: Picture | None = None
    input_image_3: Picture | None = None
    input_image_4: Picture | None = None
    aspect_ratio: Ratio | None = None
    output_format: Format | None = "png"


class Klein(Inputs):
    prompt: str
    input_image: Picture | None = None
    input_image_2: Picture | None = None
    input_image_3: Picture | None = None
    input_image_4: Picture | None = None
    safety_tolerance: int = Field(2, ge=0, le=5)
    width: Edge2 = 0
    height: Edge2 = 0

    @property
    def size(self) -> tuple[int, int]:
        return self.width or 1024, self.height or 1024

    @model_validator(mode="after")
    def fits(self) -> Self:
        """4 megapixels."""
        if self.width * self.height > 4 * 2**20:
            raise ValueError("width x height must not exceed 4 megapixels")
        return self


class Flux2(Klein):
    disable_pup: bool = False
    input_image_5: Picture | None = None
    input_image_6: Picture | None = None
    input_image_7: Picture | None = None
    input_image_8: Picture | None = None


class Flex(Flux2):
    prompt_upsampling: bool = True
    steps: int = Field(50, ge=1, le=50)
    guidance: float = Field(5, ge=1.5, le=10)


class Flux3(BaseModel):
    """Strict; klein has no `grounding` and no `version` as far as is known."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1)
    images: Annotated[list[Reference], Field(min_length=1, max_length=10)] | None = None
    aspect_ratio: Named = "auto"
    resolution: Literal["768sq", "1k", "1.5k", "2k", "4k"] = "1k"
    safety_tolerance: int = Field(2, ge=0, le=4)

    @property
    def size(self) -> tuple[int, int]:
        """The tier's pixels in the ratio, `auto` being square here."""
        width, height = map(int, ("1:1" if self.aspect_ratio == "auto" else self.aspect_ratio).split(":"))
        unit = RESOLUTION_PIXELS[self.resolution] / (width * height) ** 0.5
        return round(width * unit), round(height * unit)


class Grounded(Flux3):
    grounding: bool = True
    version: Literal["latest"] = "latest"


class Sampled(Prompted):
    steps: int = Field(50, ge=15, le=50)
    guidance: float = Field(60, ge=1.5, le=100)


class Fill(Sampled):
    image: Picture
    mask: Picture | None = None

    @property
    def size(self) -> tuple[int, int]:
        return opened(self.image).size

    @model_validator(mode="after")
    def same_size(self) -> Self:
        """The mask lies on the image."""
        if self.mask and opened(self.mask).size != self.size:
            raise ValueError("the mask must have the size of the image")
        return self


class Expand(Sampled):
    image: Picture
    left: Side = 0
    right: Side = 0
    top: Side = 0
    bottom: Side = 0

    @property
    def size(self) -> tuple[int, int]:
        width, height = opened(self.image).size
        return width + self.left + self.right, height + self.top + self.bottom


class Control(Sampled):
    prompt: str | None = Field()
    control_image: Picture | None = None


class Erase(Inputs):
    image: Picture
    mask: Picture
    dilate_pixels: int = Field(10, ge=0, le=25)
    safety_tolerance: int = Field(2, ge=0, le=5)
    output_format: Format | None = "png"

    @property
    def size(self) -> tuple[int, int]:
        return opened(self.image).size


class Outpainting(BaseModel):
    """Strict; has neither seed nor webhook."""

    model_config = ConfigDict(extra="forbid")

    input_image: Picture
    width: int = Field(ge=64)
    height: int = Field(ge=64)
    prompt: str | None = None
    reference_offset_x: int | None = None
    reference_offset_y: int | None = None
    mode: Literal["high", "fast"] = "high"
    auto_crop: bool = False
    disable_pup: bool = False
    safety_tolerance: int = Field(2, ge=0, le=5)
    output_format: Format | None = "png"

    @property
    def size(self) -> tuple[int, int]:
        """The canvas."""
        return self.width, self.height

    @model_validator(mode="after")
    def lies_within(self) -> Self:
        """The image lies on the canvas."""
        width, height = opened(self.input_image).size
        left, top = self.reference_offset_x or 0, self.reference_offset_y or 0
        if min(left, top) < 0 or left + width > self.width or top + height > self.height:
            raise ValueError("the image does not lie within the canvas")
        return self


Schema = type[Inputs] | type[Flux3] | type[Outpainting]

MODELS: dict[str, tuple[Schema, float]] = {
    "flux-2-pro": (Flux2, 3.0),
    "flux-2-pro-preview": (Flux2, 3.0),
    "flux-2-max": (Flux2, 7.0),
    "flux-2-flex": (Flex, 5.0),
    "flux-2-klein-9b": (Klein, 1.5),
    "flux-2-klein-9b-preview": (Klein, 1.5),
    "flux-2-klein-4b": (Klein, 1.4),
    "flux-3-image": (Grounded, 4.8),
    "flux-3-image-klein": (Flux3, 0.9),
    "flux-kontext-pro": (Kontext, 4.0),
    "flux-kontext-max": (Kontext, 8.0),
    "flux-pro-1.1": (Flux1, 4.0),
    "flux-pro-1.1-ultra": (Ultra, 6.0),
    "flux-dev": (Dev, 2.5),
    "flux-pro": (Flux1, 5.0),
    "flux-pro-1.0-fill": (Fill, 5.0),
    "flux-pro-1.0-expand": (Expand, 5.0),
    "flux-pro-1.0-canny": (Control, 5.0),
    "flux-pro-1.0-depth": (Control, 5.0),
    "flux-tools/erase-v1": (Erase, 3.0),
    "flux-tools/outpainting-v1": (Outpainting, 5.0),
}
"""Schema and price in credits of a small picture."""


@dataclass(frozen=True, slots=True)
class Made:
    """A task that is done."""

    prompt: str | None
    picture: bytes
    format: str
    signature: str
    expanded: bool


@cache
def drawn(size: tuple[int, int], format: str) -> bytes:
    """A real picture of that size."""
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, format)
    return out.getvalue()


class Flux(PolledEmulator):
    """The submit host, which also delivers. `polls` is the host where tasks are asked for, with its own log and script.
    Both want the key; a delivery must come without.

    With `one_host` a polling URL leads to the submit host. `polls_name` is what it calls the other one: by a name that
    is not the submit host's, it is a stranger to a client that minds its key.
    """

    def __init__(self, key: str = KEY) -> None:
        routes = [
            Route("/v1/get_result", self.result_here),
            Route("/v1/credits", self.balance),
            Route("/v1/{model:path}", self.submit, methods=["POST"]),
            Route("/results/{id}", self.link),
            Route("/blobs/{id}", self.blob),
        ]
        super().__init__(routes, [Route("/v1/get_result", self.result_elsewhere)])
        self.key = key
        self.reset()

    def reset(self) -> None:
        """As new, on the same ports."""
        self.one_host = False
        self.polls_name = "127.0.0.1"
        self.expired = False
        self.credits = 100.0
        self.dropped = list[str]()
        self.tasks = dict[str, Made]()
        self.clear()

    def _stranger(self, request: Request) -> bool:
        return request.headers.get("x-key") != self.key

    async def balance(self, request: Request) -> Response:
        """GET /v1/credits"""
        return _told(NOT_AUTHENTICATED) if self._stranger(request) else JSONResponse({"credits": self.credits})

    async def submit(self, request: Request) -> Response:
        """POST /v1/{model}"""
        model = request.path_params["model"]
        if self._stranger(request):
            return _told(NOT_AUTHENTICATED)
        if model not in MODELS:
            return _told(NOT_FOUND)
        schema, cost = MODELS[model]
        try:
            if not request.headers.get("content-type", "").startswith("application/json"):
                schema.model_validate(None)
            asked = schema.model_validate_json(await request.body())
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            return _told(trouble(422, [{**each, "loc": ["body", *each["loc"]]} for each in found]))
        if cost > self.credits:
            return _told(NO_CREDITS)
        self.credits -= cost
        self.billed.append(Bill(Decimal(str(cost)) / 100, 1))
        self.dropped += sorted(set(await request.json()) - set(schema.model_fields))
        format = getattr(asked, "output_format", "png") or "jpeg"
        id, (width, height) = secrets.token_hex(8), asked.size
        self.tasks[id] = Made(
            prompt=getattr(asked, "prompt", None),
            picture=drawn(asked.size, format),
            format=format,
            signature=secrets.token_hex(8),
            expanded=isinstance(asked, Flux3),
        )
        host = self.url if self.one_host else f"http://{self.polls_name}:{self.polls.port}"
        return JSONResponse(
            {
                "id": id,
                "polling_url": f"{host}/v1/get_result?id={id}",
                "cost": cost,
                "input_mp": 0.0,
                "output_mp": round(width * height / 2**20, 2),
            }
        )

    async def result_here(self, request: Request) -> Response:
        """GET /v1/get_result on the submit host, which knows its own tasks only"""
        if self._stranger(request):
            return _told(NOT_AUTHENTICATED)
        return self._result(request) if self.one_host else _told(TASK_NOT_FOUND)

    async def result_elsewhere(self, request: Request) -> Response:
        """GET /v1/get_result on the host that runs the task"""
        return _told(NOT_AUTHENTICATED) if self._stranger(request) else self._result(request)

    def _result(self, request: Request) -> Response:
        id = request.query_params.get("id", "")
        if id not in self.tasks:
            return _told(TASK_NOT_FOUND)
        made = self.tasks[id]
        result = {
            "sample": f"{self.url}/results/{id}?sig={made.signature}",
            "prompt": made.prompt,
            "start_time": 1795132800.1,
            "end_time": 1795132804.9,
            "duration": 4.8,
            **({"expanded_prompt": EXPANDED} if made.expanded else {"seed": SEED}),
        }
        return _told(state("Ready", result=result))

    def _signed(self, request: Request) -> Made | None:
        """The task of a link that holds; a key must not come along."""
        assert "x-key" not in request.headers
        made = self.tasks.get(request.path_params["id"])
        return made if made and made.signature == request.query_params.get("sig") and not self.expired else None

    async def link(self, request: Request) -> Response:
        """GET the link of a result, which leads on"""
        if self._signed(request) is None:
            return _told(LINK_REFUSED)
        return RedirectResponse(f"/blobs/{request.path_params['id']}?{request.query_params}", 302)

    async def blob(self, request: Request) -> Response:
        """GET the picture"""
        made = self._signed(request)
        return Response(made.picture, media_type=f"image/{made.format}") if made else _told(LINK_REFUSED)


def _told(answer: Answer) -> Response:
    if isinstance(answer.body, bytes):
        return Response(answer.body, answer.status, answer.headers)
    return JSONResponse(answer.body, answer.status, answer.headers)
