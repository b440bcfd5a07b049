"""The contract of the REST service: the models of its requests and answers, from which /openapi.json is made.

    request   {"prompt", "settings": {"image": {...}}, "customer_id", "save_to_db", "request_id"}
    answer    {"success": true,  "code": 200, "data": {...}}
    error     {"success": false, "code": 402, "error": {"reason", "message", "hint", "facts", ...}}

`settings.image` takes every parameter of the tool that the route stands for, except the prompt and the source images.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from atelier.providers.core.errors import Reason
from atelier.server.settings.values import is_customer
from atelier.tools.parameters import edit_fields, fields
from atelier.tools.parameters.fields import Blank, Number
from atelier.tools.parameters.tool_parameters import EditOptions, ImageParameters

MAX_SIDE = 16_384  # pixels; no model draws a longer side
MAX_REQUEST_ID = 255

DataT = TypeVar("DataT")
SettingsT = TypeVar("SettingsT", bound=ImageParameters)


def _customer(value: Any) -> str:
    """Return a customer id as text. Raises ValueError for what cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not is_customer(str(value)):
        raise ValueError("must be a number above 0, or the name in the token")
    return str(value)


CustomerId = Annotated[
    str,
    BeforeValidator(_customer),
    WithJsonSchema({"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "string", "minLength": 1}]}),
]
Side = Annotated[Annotated[int, Field(ge=1, le=MAX_SIDE)] | None, Blank, Number]


class Sides(BaseModel):
    """Width and height in place of `size`; one goes with the other."""

    width: Annotated[Side, Field(description="Pixels; together with height, in place of size.")] = None
    height: Annotated[Side, Field(description="Pixels; together with width, in place of size.")] = None


class GenerateSettings(ImageParameters, Sides):
    """The parameters of generate_image."""

    models: fields.Models = []


class EditSettings(EditOptions, Sides):
    """The parameters of edit_image."""

    operation: edit_fields.EditOperation = None


class EstimateSettings(EditOptions, Sides):
    """The parameters of estimate_cost."""

    operation: edit_fields.PricedOperation = None
    compare: edit_fields.Compare = False


class Settings(BaseModel, Generic[SettingsT]):
    """The settings of a request by the kind of what is made."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    image: SettingsT


class Request(BaseModel):
    """What every request has."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    customer_id: Annotated[
        CustomerId | None, Field(description="The customer that the token names; it may be left out.")
    ] = None
    request_id: Annotated[
        Annotated[str, Field(max_length=MAX_REQUEST_ID)] | None, Field(description="Echoed in the answer.")
    ] = None


class GenerateRequest(Request):
    """A request for new images."""

    prompt: fields.Prompt
    settings: Settings[GenerateSettings] = Settings(image=GenerateSettings())
    save_to_db: Annotated[
        bool, Field(description="false returns the whole image as a data URI and keeps nothing once it is delivered.")
    ] = True


class SourceRequest(Request):
    """A request about images that exist."""

    images: edit_fields.Images = []
    mask: edit_fields.Mask = None


class EditRequest(SourceRequest):
    """A request for a new image from one that exists."""

    image: edit_fields.Image
    prompt: edit_fields.EditPrompt = None
    settings: Settings[EditSettings] = Settings(image=EditSettings())
    save_to_db: Annotated[
        bool, Field(description="false returns the whole image as a data URI and keeps nothing once it is delivered.")
    ] = True


class EstimateRequest(SourceRequest):
    """A question for a price."""

    image: edit_fields.PricedImage = None
    prompt: edit_fields.EditPrompt = None
    settings: Settings[EstimateSettings] = Settings(image=EstimateSettings())


class CopyFacts(BaseModel):
    """A resized copy."""

    id: str | None
    url: str | None
    mime: str
    width: int
    height: int
    bytes: int


class ImageFacts(CopyFacts):
    """One image. `url` is a link, or the image as a data URI when it is not stored, and then `id` is null."""

    prompt_used: Annotated[str | None, Field(description="The prompt as the vendor rewrote it, else as sent.")] = None
    seed: int | None = None
    delivered: Annotated[CopyFacts | None, Field(description="The copy of deliver_size or deliver_max_kb.")] = None


class TokenCounts(BaseModel):
    """Tokens as the vendor counted them."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class ImageData(BaseModel):
    """Images, or the job that makes them: then `status` is running, and there is no image yet."""

    status: Literal["done", "running"] = "done"
    job: Annotated[str | None, Field(description="The id to ask GET /image/{id} for.")] = None
    image_url: Annotated[str | None, Field(description="That of the first image.")] = None
    provider: str | None = None
    model: str | None = None
    operation: Annotated[str | None, Field(description="Of a stored image: what made it.")] = None
    prompt: Annotated[str | None, Field(description="Of a stored image.")] = None
    parent: Annotated[str | None, Field(description="Of a stored image: the id of its source.")] = None
    created_at: Annotated[str | None, Field(description="Of a stored image.")] = None
    settings: Annotated[
        dict[str, Any], Field(description="The settings of the request, with width and height of the first image.")
    ] = {}
    images: list[ImageFacts] = []
    estimated_usd: float | None = None
    actual_usd: float | None = None
    usage: TokenCounts | None = None
    request_id: Annotated[str | None, Field(description="That of the request.")] = None
    vendor_request_id: str | None = None
    warnings: list[str] = []


class DeletedData(BaseModel):
    """An image that is gone, with its record."""

    id: str
    deleted: Literal[True] = True


class Period(BaseModel):
    """USD of a UTC day or month: spent, reservations of running calls included, and what the budget allows."""

    spent_usd: float
    cap_usd: Annotated[float | None, Field(description="Absent budgets are null.")]
    left_usd: float | None


class UploadLinkData(BaseModel):
    """A link that takes one upload. `id` names the image once it is uploaded."""

    upload_url: str
    id: str
    expires_at: str


class UsageData(BaseModel):
    """The caller's own spending."""

    customer_id: str
    today: Period
    month: Period
    cap_per_call_usd: float | None


class APIResponse(BaseModel, Generic[DataT]):
    """The envelope of every answer."""

    success: Literal[True] = True
    code: int = 200
    data: DataT


class ErrorData(BaseModel):
    """Why there is no answer. `facts` are for programs: the job, the vendor's request id, what was billed."""

    reason: Reason
    message: str
    hint: str
    retryable: bool
    retry_after: Annotated[float | None, Field(description="Seconds, as in the header Retry-After.")]
    facts: dict[str, Any]


class ErrorResponse(BaseModel):
    """The envelope of every refusal and failure."""

    success: Literal[False] = False
    code: int
    error: ErrorData
