"""The result of a request: its images, what they cost, and the forms in which other programs take it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from atelier.providers.core.tool_results import ToolShape, tool_result
from atelier.providers.core.types import Picture, ResponseFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The token counts in the vendor's answer."""

    input_tokens: int = 0
    output_tokens: int = 0
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetHandle:
    """Where an asset is stored: `path` on this machine, or `url`; `warning` if not in the configured storage."""

    id: str
    path: str | None = None
    url: str | None = None
    warning: str = ""


@dataclass(frozen=True, slots=True)
class ResultImage:
    """An image of a result: its bytes, its asset, which an inline result lacks, and its resized copy, if any."""

    picture: Picture
    stored: AssetHandle | None = None
    copy: ResultImage | None = None

    @property
    def image_bytes(self) -> bytes:
        """The encoded image."""
        return self.picture.image_bytes

    @property
    def format(self) -> str:
        """png, jpeg, webp or gif."""
        return self.picture.format

    @property
    def prompt_used(self) -> str | None:
        """The prompt as the vendor rewrote it, else as sent; None if none was sent."""
        return self.picture.prompt_used

    @property
    def base64(self) -> str:
        """The encoded image as base64."""
        return base64.b64encode(self.image_bytes).decode()

    @property
    def url(self) -> str | None:
        """The link to the asset, else the vendor's own link, which is valid for a short time."""
        return (self.stored and self.stored.url) or self.picture.url or None

    def facts(self) -> dict[str, Any]:
        """Return everything but the image itself, as JSON has it."""
        picture, stored = self.picture, self.stored
        found = {
            "id": stored and stored.id,
            "path": stored and stored.path,
            "url": self.url,
            "mime": picture.mime,
            "format": picture.format,
            "width": picture.width,
            "height": picture.height,
            "bytes": len(picture.image_bytes),
            "prompt_used": picture.prompt_used,
            "seed": picture.seed,
            "copy": self.copy and self.copy.facts(),
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """The result of a request. Costs in USD, None if unknown. `notice` is shown before everything else.

    `request_id` is the caller's own, `response_format` the form in which the caller takes the images.
    """

    id: str
    images: tuple[ResultImage, ...]
    provider: str
    model: str
    usage: Usage | None = None
    estimated_usd: Decimal | None = None
    actual_usd: Decimal | None = None
    notice: str = ""
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    inline: bool = False  # its images are stored only until it is delivered
    request_id: str | None = None
    response_format: ResponseFormat = "binary"

    @property
    def image_bytes(self) -> bytes:
        """The first image."""
        return self.images[0].image_bytes

    @property
    def format(self) -> str:
        """The format of the first image: png, jpeg, webp or gif."""
        return self.images[0].format

    @property
    def prompt_used(self) -> str:
        """The prompt of the first image as the vendor rewrote it, else as sent; empty if none was sent."""
        return self.images[0].prompt_used or ""

    @property
    def vendor_request_ids(self) -> list[str]:
        """The vendor's ids of the requests."""
        several: Sequence[str] = self.details.get("request_ids", ())
        one = self.details.get("request_id")
        return list(several) or ([str(one)] if one else [])

    @property
    def contents(self) -> list[bytes | str]:
        """The images in the form of `response_format`: bytes, base64 or links (data URIs where the host sent none)."""
        return [_content(image, self.response_format) for image in self.images]

    def facts(self) -> dict[str, Any]:
        """Return everything but the images themselves, as JSON has it."""
        usage = self.usage
        found = {
            "id": self.id,
            "provider": self.provider,
            "model": self.model,
            "images": [image.facts() for image in self.images],
            "usage": usage and {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens},
            "estimated_usd": _number(self.estimated_usd),
            "actual_usd": _number(self.actual_usd),
            "request_id": self.request_id,
            "vendor_request_ids": self.vendor_request_ids or None,
            "notice": self.notice or None,
            "warnings": list(self.warnings) or None,
        }
        return {name: value for name, value in found.items() if value is not None}

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON has it, with `base64` in each image if no links were requested."""
        facts = self.facts()
        if self.response_format != "url":
            for image, made in zip(facts["images"], self.images, strict=True):
                image["base64"] = made.base64
        return facts

    def as_tool_result(self, shape: ToolShape, call_id: str) -> dict[str, Any]:
        """Return the answer to a tool call of another agent; see `tool_result`."""
        return tool_result(shape, call_id, self.facts(), [image.picture for image in self.images])


def _content(image: ResultImage, form: ResponseFormat) -> bytes | str:
    match form:
        case "binary":
            return image.image_bytes
        case "base64":
            return image.base64
        case "url":
            return image.url or f"data:{image.picture.mime};base64,{image.base64}"


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
