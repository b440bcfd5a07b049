"""The body that a client of OpenAI sends: how it becomes the parameters of our tools, and what the schema says of it.

A name that is no parameter of the tool is an option of the model, which the gates refuse by name where it has none. So
vendors' own options work beside OpenAI's (`extra_body` of the Python client).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json
from starlette.datastructures import FormData, UploadFile

from atelier.server.http.openai.errors import invalid, unknown
from atelier.tools.parameters.arguments import parameters_of
from atelier.tools.parameters.tool_parameters import ImageParameters
from atelier.tools.tool import Tool

DEFAULTS = {
    "size": ("auto",),
    "quality": ("auto", "standard"),
    "background": ("auto",),
    "moderation": ("auto",),
}
"""Words that mean the default of the model. They are not passed on, since few models know them."""

NOT_TAKEN = frozenset(
    {"save", "options", "deliver", "output_path", "models", "deliver_size", "deliver_fit", "deliver_max_kb"}
)
"""Parameters of our tools that an answer in OpenAI's shape has no place for."""

FORMATS = ("b64_json", "url")
OPTION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
IMAGE_FIELDS = ("image", "image[]")
SWITCH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class ImageCall:
    """A call through this face: the tool's parameters, and how the client wants the images."""

    tool: Tool[Any]
    parameters: ImageParameters
    as_url: bool
    stream: bool


def call_of(tool: Tool[Any], body: Mapping[str, Any], *, form: bool = False) -> ImageCall:
    """Return the call that a body asks for. The values of a `form` are texts. Raises ImageError."""
    given = {name: value for name, value in body.items() if value is not None}
    given.pop("user", None)  # the caller's own word for its user; the token names ours
    answer = given.pop("response_format", FORMATS[0])
    if answer not in FORMATS:
        raise invalid("“response_format” must be b64_json or url.", "response_format")
    stream = _switch("stream", given.pop("stream", False))
    if str(given.get("partial_images")) == "0":
        del given["partial_images"]
    if "partial_images" in given and not stream:
        raise invalid("“partial_images” needs “stream”.", "partial_images", "Set stream to true, or leave it out.")
    known, options = dict[str, Any](), list[str]()
    for name, value in given.items():
        if value in DEFAULTS.get(name, ()):
            continue
        if name in tool.parameters.model_fields and name not in NOT_TAKEN:
            known[name] = value
        else:
            options.append(_option(name, value, form=form))
    return ImageCall(tool, parameters_of(tool, {**known, "options": options}), answer == "url", stream)


def sources_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of an edit in JSON with its images named as edit_image does: by id, address or data URI."""
    named = [_source(each) for name in ("image", "images") for each in _listed(body.get(name))]
    rest = {name: value for name, value in body.items() if name not in ("image", "images")}
    if (mask := body.get("mask")) is not None:
        rest["mask"] = _source(mask)
    return {**rest, **({"image": named[0], "images": named[1:]} if named else {})}


async def form_of(form: FormData) -> dict[str, Any]:
    """Return the fields of a form as the body of an edit. Files become data URIs."""
    body, images = dict[str, Any](), list[Any]()
    for name, value in form.multi_items():
        read = await _data_uri(value) if isinstance(value, UploadFile) else value
        if name in IMAGE_FIELDS:
            images.append(read)
        elif name in body:
            raise invalid(f"“{name}” is given twice.", name)
        elif isinstance(value, UploadFile) and name != "mask":
            raise unknown(name)
        else:
            body[name] = read
    return {**body, **({"image": images} if images else {})}


async def _data_uri(file: UploadFile) -> str:
    return f"data:image/png;base64,{b64encode(await file.read()).decode()}"  # the bytes say what kind it is


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [] if value is None else [value]


def _source(value: Any) -> Any:
    """Return the name of an image: itself, or that of an object with `image_url` or `file_id`."""
    if not isinstance(value, Mapping):
        return value
    named = cast("Mapping[str, Any]", value)
    return named.get("image_url") or named.get("file_id") or ""


def _switch(name: str, value: Any) -> bool:
    switch = SWITCH.get(value) if isinstance(value, str) else value
    if not isinstance(switch, bool):
        raise invalid(f"“{name}” must be true or false.", name)
    return switch


def _option(name: str, value: Any, *, form: bool) -> str:
    """Return an option as the tools take it. In a form a number cannot be told from its text."""
    if name in NOT_TAKEN or not OPTION_NAME.fullmatch(name):
        raise unknown(name[:60])
    if not isinstance(value, str | int | float):
        raise invalid(f"“{name}” must be text, a number, true or false.", name)
    return f"{name}={value if form else to_json(value).decode()}"


class GenerationBody(BaseModel):
    """OpenAI's parameters. Those of `generate_image` and the model's own options may stand beside them."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"required": ["prompt"]})

    prompt: str = ""
    model: str = ""
    n: int = 1
    size: str = "auto"
    quality: str = "auto"
    background: str = "auto"
    output_format: str = "png"
    output_compression: int = 100
    style: str = ""
    moderation: str = "auto"
    response_format: Literal["b64_json", "url"] = "b64_json"
    stream: bool = False
    partial_images: int = 0
    user: str = ""


def _with(**fields: Any) -> dict[str, Any]:
    schema = GenerationBody.model_json_schema()
    return {**schema, "properties": {**schema["properties"], **fields}, "required": ["prompt", "image"]}


BINARY = {"type": "string", "format": "binary"}
NAME = {"type": "string", "description": "An https address, a data URI or an asset id."}
FORM = _with(image={"type": "array", "items": BINARY}, mask=BINARY)
JSON = _with(image={"type": "array", "items": NAME}, mask=NAME)

EDIT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": {"schema": FORM}, "application/json": {"schema": JSON}},
    }
}
GENERATION_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": GenerationBody.model_json_schema()}},
    }
}
EVENT = {
    "type": "object",
    "properties": {
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": {"type": "object"}},
    },
    "required": ["data"],
}
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": EVENT}}, "description": "The images, or events."}
}
"""The answer to a call with `stream`, beside that in JSON; before OpenAPI 3.2 the schema is that of one event."""
