"""What the schema says of the bodies that this face takes. `parameters` reads them, whatever else they have."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


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
