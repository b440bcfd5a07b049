"""Answers and errors -> content blocks; tool records -> tool descriptions. No other file makes either.

The shape follows what hosts do with it: text first, then one JPEG preview per picture, never base64 anywhere else.
Some hosts show the model only `structuredContent`, some only the text, so each is complete alone.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
from mcp.types import (
    Annotations,
    CallToolResult,
    ContentBlock,
    Icon,
    ImageContent,
    ResourceLink,
    TextContent,
    ToolAnnotations,
)
from mcp.types import Tool as ToolDescription

from atelier.providers.core.errors import ImageError, public_facts
from atelier.providers.core.types import AssetHandle, ResultImage
from atelier.providers.images.asset_storage import Storage
from atelier.server.mcp.input_schema import flat_schema
from atelier.server.mcp.previews import previews
from atelier.server.settings import Settings
from atelier.tools.image_answer import is_inline, usd
from atelier.tools.tool import Answer, Tool

Found = TypeVar("Found")

JOB = "atelier/job"
"""Where the `_meta` of an answer names the job that goes on."""

PATIENCE = 3.0  # seconds that an answer waits for a storage to hand out and take its previews
STRUCTURED_LIMIT = 2000  # bytes; Open WebUI pastes it beside the text, so it must stay small
FITTING: tuple[tuple[str, ...], ...] = (
    ("id", "path", "url", "preview_path", "width", "height", "mime", "bytes", "delivered"),
    ("id", "path", "url", "preview_path", "width", "height", "delivered"),
    ("id", "path", "url", "preview_path", "delivered"),
    ("id", "path", "url", "width", "height", "mime", "delivered"),
    ("id", "path", "url", "delivered"),
    ("id", "path", "url"),
    ("id",),
)
"""What is told of each picture, the first that fits: where it is comes before what it is, and the text has it all."""
SPARED = (*((fields, ()) for fields in FITTING[:-2]), *((fields, ("prompt",)) for fields in FITTING[-3:]))
"""The same with what is left out besides: a link signed with a token is long, and worth more than a prompt."""


def icon() -> Icon:
    """The product's mark, as hosts show it beside a tool."""
    png = Path(__file__).with_name("icon.png").read_bytes()
    return Icon(src=f"data:image/png;base64,{b64encode(png).decode()}", mime_type="image/png", sizes=["48x48"])


def description(tool: Tool[Any], settings: Settings, mark: Icon) -> ToolDescription:
    """A tool record as `tools/list` shows it."""
    return ToolDescription(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=flat_schema(tool.parameters),
        output_schema=flat_schema(tool.output) if settings.structured_content else None,
        annotations=ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.kind == "reads",
            destructive_hint=False,
            idempotent_hint=tool.kind == "reads",
            open_world_hint=tool.kind == "creates",
        ),
        icons=[mark],
    )


async def answered(answer: Answer, storage: Storage, settings: Settings) -> CallToolResult:
    """An answer as a tool result, with previews rendered and kept beside their pictures where the storage is quick."""
    until = anyio.current_time() + PATIENCE
    data = answer.data.model_dump(mode="json", exclude_none=True)
    text, blocks = answer.text, list[ContentBlock]()
    whole = is_inline(answer.pictures)
    shown = [kept for kept in answer.pictures if kept.stored or not whole]
    before = [await _in_time(storage.get_preview(kept.stored.id), until) if kept.stored else None for kept in shown]
    small = await previews([kept.picture for kept in shown], before)
    links = list[ContentBlock]()
    for kept, told in zip(answer.pictures, data.get("images", []), strict=False):
        if kept.stored is None and whole:
            blocks.append(_image(kept.image_bytes, kept.picture.mime))
            continue
        jpeg, earlier = small.pop(0), before.pop(0)
        if not jpeg:
            text += (
                f"\nNote: no preview could be made{f' of {kept.stored.id}' if kept.stored else ''}; it may be damaged."
            )
        else:
            blocks.append(_image(jpeg, "image/jpeg"))
            if kept.stored and (path := await _in_time(_kept_preview(kept.stored, jpeg, earlier, storage), until)):
                told["preview_path"] = path
        links += _link(kept)
    if settings.resource_links:
        blocks += links
    structured = _within(data) if settings.structured_content else None
    meta = {JOB: data["job"]} if data.get("status") == "running" else None
    return CallToolResult(
        content=[TextContent(type="text", text=text), *blocks], structured_content=structured, _meta=meta
    )


async def _in_time(work: Coroutine[Any, Any, Found | None], until: float) -> Found | None:
    """What comes of it by then."""
    with anyio.CancelScope(deadline=until):
        return await work
    return None


async def _kept_preview(stored: AssetHandle, jpeg: bytes, earlier: bytes | None, storage: Storage) -> str | None:
    """Where the preview lies beside its picture; it is written only when it is another than before."""
    if jpeg != earlier:
        return await storage.put_preview(stored.id, jpeg)
    return str(Path(stored.path).with_suffix(".preview.jpg")) if stored.path else None


def failed(error: ImageError) -> CallToolResult:
    """An error as a tool result: a sentence and a hint for the model, the reason for programs."""
    billed = error.facts.get("billed_usd")
    words = f"{error.message} {error.hint}".strip() + (f" It was billed {usd(billed)}." if billed else "")
    told = {
        "reason": error.reason.value,
        "retryable": error.retryable,
        "retry_after": error.retry_after,
        "hint": error.hint,
        **({"outcome": "unknown"} if error.outcome_unknown else {}),
        **({"billed_usd": float(billed)} if billed else {}),
        "facts": public_facts(error),
    }
    return CallToolResult(
        is_error=True,
        content=[TextContent(type="text", text=words)],
        _meta={"atelier/error": told},
    )


def _image(data: bytes, mime: str) -> ImageContent:
    return ImageContent(type="image", data=b64encode(data).decode(), mime_type=mime)


def _link(kept: ResultImage) -> list[ContentBlock]:
    """A link for hosts that show them; for the user alone, since VS Code would fetch it for the model as well."""
    stored = kept.stored
    if stored is None or not (uri := stored.url or (Path(stored.path).as_uri() if stored.path else None)):
        return []
    return [
        ResourceLink(
            type="resource_link",
            uri=uri,
            name=urlsplit(uri).path.rsplit("/", 1)[1],
            mime_type=kept.picture.mime,
            size=len(kept.image_bytes),
            annotations=Annotations(audience=["user"]),
        )
    ]


def _within(data: dict[str, Any]) -> dict[str, Any]:
    """The structured part within its limit. Without paths it names their folder; the files are named by their ids."""
    images: list[dict[str, Any]] = data.get("images", [])
    if not images:  # a list or a comparison, which its own tool keeps short
        return data
    shown = data
    for fields, spared in SPARED:
        fewer = [{name: image[name] for name in fields if name in image} for image in images]
        shown = {name: value for name, value in {**data, "images": fewer}.items() if name not in spared}
        if "path" not in fields and (folders := {str(Path(i["path"]).parent) for i in images if "path" in i}):
            shown["folder"] = folders.pop()
        if len(json.dumps(shown, ensure_ascii=False).encode()) <= STRUCTURED_LIMIT:
            return shown
    return {name: value for name, value in shown.items() if name != "warnings"}
