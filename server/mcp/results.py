"""Turn answers and errors into content blocks, and tool records into tool descriptions. No other file does either.

The text comes first, then one JPEG preview per picture; base64 appears nowhere else. Some hosts show the model only
`structuredContent`, some only the text, so each is complete alone.
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

from atelier.providers.core.errors import ImageError, Reason, public_facts, sanitize
from atelier.providers.core.results import AssetHandle, ResultImage
from atelier.providers.images.asset_storage import Storage
from atelier.server.mcp.clients import UNKNOWN, Host, preview_limits
from atelier.server.mcp.input_schema import input_schema
from atelier.server.mcp.previews import FULL, previews
from atelier.server.settings import Settings
from atelier.tools import OPTIONAL_TOOLS, TOOLS
from atelier.tools.image_answer import NO_PREVIEW, PREVIEW_ATTACHED, is_inline, usd
from atelier.tools.tool import Answer, Tool

Found = TypeVar("Found")

JOB_META_KEY = "atelier/job"
"""The `_meta` key that names the job of an answer with status running."""

PREVIEW_TIMEOUT = 3.0  # seconds that an answer waits for the storage to read and write its previews
MAX_STRUCTURED_BYTES = 2000  # Open WebUI pastes it beside the text
IMAGE_FIELDS: tuple[tuple[str, ...], ...] = (
    ("id", "path", "url", "preview_path", "width", "height", "mime", "bytes", "delivered"),
    ("id", "path", "url", "preview_path", "width", "height", "delivered"),
    ("id", "path", "url", "preview_path", "delivered"),
    ("id", "path", "url", "width", "height", "mime", "delivered"),
    ("id", "path", "url", "delivered"),
    ("id", "path", "url"),
    ("id",),
)
"""Fields of each picture in the structured part: the first tuple that fits. The text has all of them."""
REDUCTIONS = (*((fields, ()) for fields in IMAGE_FIELDS[:-2]), *((fields, ("prompt",)) for fields in IMAGE_FIELDS[-3:]))
"""The same with the fields of the answer to drop: a signed link is long, and more useful than the prompt."""


def product_icon() -> Icon:
    """Return the product's icon, which hosts show beside the server."""
    png = Path(__file__).with_name("icon.png").read_bytes()
    return Icon(src=f"data:image/png;base64,{b64encode(png).decode()}", mime_type="image/png", sizes=["48x48"])


def tools_of(settings: Settings) -> dict[str, Tool[Any]]:
    """Return the tools to serve, by name: the default ones, or those that the settings name.

    Raises invalid_request for a name that is no tool's.
    """
    known = {tool.name: tool for tool in (*TOOLS, *OPTIONAL_TOOLS)}
    if unknown := [name for name in settings.tools if name not in known]:
        message = f"ATELIER_TOOLS is wrong: no tool is called “{sanitize(unknown[0], 60)}”."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=f"Tools are {', '.join(known)}.")
    return {name: tool for name, tool in known.items() if name in (settings.tools or [tool.name for tool in TOOLS])}


def description(tool: Tool[Any]) -> ToolDescription:
    """Return the description of a tool for `tools/list`.

    It has no output schema: no host reads one, while clients demand a structured part once there is one, also where the
    answer is better without it.
    """
    creates = tool.kind == "creates"
    return ToolDescription(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=input_schema(tool.parameters, tool.unlisted),
        annotations=ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.kind == "reads",
            destructive_hint=tool.kind == "deletes",
            idempotent_hint=not creates,
            open_world_hint=creates,
        ),
    )


async def tool_result(
    answer: Answer, storage: Storage, settings: Settings, host: Host = UNKNOWN, *, new: bool = False
) -> CallToolResult:
    """Return an answer as a tool result for a host.

    Renders the previews and stores them beside their pictures, if the storage answers within PREVIEW_TIMEOUT. Those of
    `new` pictures are not looked for, which would take a bucket's round trip.
    """
    limits = preview_limits(host, settings)
    until = anyio.current_time() + PREVIEW_TIMEOUT
    data = answer.data.model_dump(mode="json", exclude_none=True)
    text, blocks = answer.text, list[ContentBlock]()
    inline = answer.whole or is_inline(answer.pictures, answer.inline_limit)
    shown = [image for image in answer.pictures if not answer.whole and (image.stored or not inline)]
    looked_for = [None if new else image.stored for image in shown]
    before = [await _in_time(storage.get_preview(each.id), until) if each else None for each in looked_for]
    if answer.sheet:
        shown, before = [], []
        blocks.append(_image(answer.sheet, "image/jpeg"))
    elif limits is None and not answer.whole:
        text = text.replace(PREVIEW_ATTACHED, NO_PREVIEW)
        shown, before = [], []
    small = await previews([image.picture for image in shown], before, limits or FULL)
    links = list[ContentBlock]()
    for image, facts in zip(answer.pictures, data.get("images", []), strict=False):
        if answer.whole or (image.stored is None and inline):
            blocks.append(_image(image.picture.image_bytes, image.picture.mime))
            links += _link(image)
            continue
        links += _link(image)
        if limits is None or answer.sheet:
            continue
        jpeg, earlier = small.pop(0), before.pop(0)
        if not jpeg:
            of = f" of {image.stored.id}" if image.stored else ""
            text += f"\nNote: no preview{of} could be made; the picture may be damaged."
        else:
            blocks.append(_image(jpeg, "image/jpeg"))
            stored = image.stored if limits == FULL else None  # the stored one has the usual size
            if stored and (path := await _in_time(_store_preview(stored, jpeg, earlier, storage), until)):
                facts["preview_path"] = path
    if settings.resource_links:
        blocks += links
    structured = _shortened(data) if settings.structured_content and host.keeps_images else None
    meta = {JOB_META_KEY: data["job"]} if data.get("status") == "running" else None
    return CallToolResult(
        content=[TextContent(type="text", text=text), *blocks], structured_content=structured, _meta=meta
    )


async def _in_time(load: Coroutine[Any, Any, Found | None], until: float) -> Found | None:
    """Return the result of `load`, or None when it is not there by then."""
    with anyio.CancelScope(deadline=until):
        return await load
    return None


async def _store_preview(stored: AssetHandle, jpeg: bytes, earlier: bytes | None, storage: Storage) -> str | None:
    """Return the path of the preview beside its picture. Writes it if none is stored."""
    if jpeg != earlier:
        return await storage.put_preview(stored.id, jpeg)
    return str(Path(stored.path).with_suffix(".preview.jpg")) if stored.path else None


def error_result(error: ImageError) -> CallToolResult:
    """Return an error as a tool result: message and hint for the model, reason and facts for programs."""
    billed = error.facts.get("billed_usd")
    words = f"{error.message} {error.hint}".strip() + (f" It was billed {usd(billed)}." if billed else "")
    facts = {
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
        _meta={"atelier/error": facts},
    )


def _image(data: bytes, mime: str) -> ImageContent:
    return ImageContent(type="image", data=b64encode(data).decode(), mime_type=mime)


def _link(image: ResultImage) -> list[ContentBlock]:
    """Return a link for the user only: VS Code fetches links that are also meant for the model."""
    stored = image.stored
    if stored is None or not (uri := stored.url or (Path(stored.path).as_uri() if stored.path else None)):
        return []
    return [
        ResourceLink(
            type="resource_link",
            uri=uri,
            name=urlsplit(uri).path.rsplit("/", 1)[1],
            mime_type=image.picture.mime,
            size=len(image.picture.image_bytes),
            annotations=Annotations(audience=["user"]),
        )
    ]


def _shortened(data: dict[str, Any]) -> dict[str, Any]:
    """Return the structured part within MAX_STRUCTURED_BYTES. Without paths it names the folder of the files."""
    images: list[dict[str, Any]] = data.get("images", [])
    if not images:  # a list or a comparison, which its tool has limited
        return data
    shown = data
    for fields, dropped in REDUCTIONS:
        fewer = [{name: image[name] for name in fields if name in image} for image in images]
        shown = {name: value for name, value in {**data, "images": fewer}.items() if name not in dropped}
        if "path" not in fields and (folders := {str(Path(i["path"]).parent) for i in images if "path" in i}):
            shown["folder"] = folders.pop()
        if len(json.dumps(shown, ensure_ascii=False).encode()) <= MAX_STRUCTURED_BYTES:
            return shown
    return {name: value for name, value in shown.items() if name != "warnings"}
