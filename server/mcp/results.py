"""What a host shows of a call: its progress, and its answer or error as content blocks.

The text comes first, then a JPEG preview of each picture, or the whole of it. The studio's page has results of its own
(`studio/app.py`). Some hosts show the model only
`structuredContent`, some only the text, so each is complete alone.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import anyio
from mcp.server.mcpserver import Context
from mcp.server.session import ServerSession
from mcp.types import Annotations, CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent

from atelier.providers.core.concurrency import progress, run_on_processor
from atelier.providers.core.errors import ImageError, public_facts
from atelier.providers.core.results import AssetHandle, ResultImage
from atelier.providers.core.types import Picture, Progress
from atelier.providers.images.asset_storage import Storage
from atelier.server.mcp.previews import FULL, SMALL, PreviewLimits, preview
from atelier.server.settings import Settings
from atelier.tools.image_answer import NO_PREVIEW, PREVIEW_ATTACHED, is_inline, usd
from atelier.tools.tool import ANSWER_BUDGET, Answer

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


class Host(NamedTuple):
    """How a host treats results.

    keeps_images      shows the model the images of a result that has a structured part as well
    images_are_text   pastes the base64 of an image into the model's context
    inline_bytes      of images that one result may carry
    """

    keeps_images: bool = True
    images_are_text: bool = False
    inline_bytes: int = ANSWER_BUDGET


UNKNOWN = Host()

HOSTS: Mapping[str, Host] = {
    "codex-mcp-client": Host(keeps_images=False),  # codex-rs, tool results, read in November 2026
    "google-adk": Host(images_are_text=True),  # google-adk 2.13, session_context.py, 2026-11
    "Visual Studio Code": Host(inline_bytes=5 * 2**20),  # no limit found in its source, November 2026
    "LibreChat": Host(inline_bytes=7 * 2**20),  # 10 MiB of base64 for each image, read in November 2026
    "@librechat/api-client": Host(inline_bytes=7 * 2**20),
}
"""Name in `clientInfo` -> what is known of the host: none declares how it treats a result. The settings overrule it.

LlamaIndex, AutoGen and smolagents send the Python SDK's own name, as others do."""


def host_of(session: ServerSession) -> Host:
    """Return what is known of the host at the other end of a session."""
    params = session.client_params
    return HOSTS.get(params.client_info.name, UNKNOWN) if params else UNKNOWN


def preview_limits(host: Host, settings: Settings) -> PreviewLimits | None:
    """Return the limits of previews for a host; None for no previews."""
    if settings.preview == "off":
        return None
    if settings.preview == "small" or host.images_are_text:
        return SMALL
    return PreviewLimits(edge=settings.preview_pixels)


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


async def previews(
    pictures: Sequence[Picture], stored: Sequence[bytes | None] = (), limits: PreviewLimits = FULL
) -> list[bytes]:
    """Return a JPEG for each picture, together within the limits; b"" for one that cannot be decoded.

    `stored` are earlier previews in the same order; one that fits is returned unchanged.
    """
    jpegs, share = list[bytes](), limits.total // max(1, len(pictures))
    for index, picture in enumerate(pictures):
        before = stored[index] if index < len(stored) else None
        if before is None or len(before) > share or limits.edge != FULL.edge:
            before = await run_on_processor(preview, picture.image_bytes, len(pictures), limits)
        jpegs.append(before)
    return jpegs


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


PROGRESS_DELAY = 1.0  # seconds without progress at the beginning of a call; see `progress`
PROGRESS_GAP = 0.05  # seconds between the last progress notification and the answer
PROGRESS_INTERVAL = 9.0  # seconds between notifications; hosts time out without one in ten seconds


def report_progress(context: Context[Any, Any], first: str) -> AbstractAsyncContextManager[Progress]:
    """Yield the progress callback of a tool call, which sends notifications; the protocol requires a rising number."""
    count = 0

    async def show(message: str, seconds: float) -> None:
        nonlocal count
        count += 1
        await context.report_progress(count, None, f"{message} ({seconds:.0f} s)" if seconds >= 1 else message)

    return progress(show, PROGRESS_INTERVAL, first=first, delay=PROGRESS_DELAY, gap=PROGRESS_GAP)
