"""The schema of an unlisted model: which fields its input has. Reading it is free.

A model ignores a field that it does not know, and bills. So a request with such a field is refused before it is sent.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import Field, JsonValue

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.refusals import did_you_mean
from atelier.providers.transport.vendor_json import Lenient, VendorModel, parse_answer
from atelier.providers.transport.wire import Wire

SOURCE_FIELDS = (
    "image", "input_image", "input_images", "image_input", "images", "image_prompt", "reference_images", "img",
)  # fmt: skip
"""Names of the field of source images, as models of the vendor have them. The first that is declared is used."""

MASK_FIELDS = ("mask", "mask_image")


class Input(VendorModel):
    properties: dict[str, Lenient[dict[str, JsonValue]]]


class Schemas(VendorModel):
    input: Input = Field(validation_alias="Input")


class Components(VendorModel):
    schemas: Schemas


class OpenAPI(VendorModel):
    components: Components


class Version(VendorModel):
    openapi_schema: Lenient[OpenAPI] = None


class Described(VendorModel):
    """A model with its latest version, or a version itself."""

    latest_version: Lenient[Version] = None
    openapi_schema: Lenient[OpenAPI] = None


async def fitted(fields: dict[str, Any], id: str, base: str, wire: Wire) -> dict[str, Any]:
    """Return the input with its pictures in the fields of the model. Raises unsupported_option for one it lacks."""
    name, _, version = id.partition(":")
    path = f"models/{name}" + (f"/versions/{version}" if version else "")
    described = parse_answer(Described, (await wire.free("GET", f"{base}/{path}")).content)
    latest = described.latest_version or Version()
    schema = described.openapi_schema or latest.openapi_schema
    if schema is None:
        message = f"Replicate does not publish what {sanitize(id, 100)} takes, so the request cannot be checked."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Use another model.")
    known = schema.components.schemas.input.properties
    given = dict(fields)
    for ours, names in (("image", SOURCE_FIELDS), ("mask", MASK_FIELDS)):
        if ours in given:
            field = next((each for each in names if each in known), ours)
            given[field] = _shaped(given.pop(ours), known.get(field) or {}, id)
    for field in given:
        if field not in known:
            message = f"{sanitize(id, 100)} has no field {sanitize(field, 60)}; it would ignore it."
            near = [each for each in known if field[:5] in each]
            hint = did_you_mean(near) or f"Its fields are {', '.join(sorted(known))}."
            raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint=sanitize(hint), facts={"option": field})
    return given


def _shaped(value: Any, schema: dict[str, JsonValue], id: str) -> Any:
    """Return sources as the list or the one picture that the field takes."""
    if schema.get("type") == "array" or not isinstance(value, list):
        return value
    first, *others = cast("list[str]", value)
    if others:
        message = f"{sanitize(id, 100)} takes one source image; {len(others) + 1} were given."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Give one.", facts={"option": "images"})
    return first
