"""Each kind of host reads our serialised results its own way; whichever way, what it reads names every image.

What the hosts do was read in their sources or seen in trials in November 2026; `docs/hosts.md` has the table.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from mcp.types import CallToolResult
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import AssetHandle, ImageResult, ResultImage
from atelier.providers.core.tracing import new_id
from atelier.providers.images.identify import picture
from atelier.providers.jobs.service import JobHandle
from atelier.server.mcp.results import HOSTS, UNKNOWN, error_result, tool_result
from atelier.server.settings import Settings
from atelier.server.storage.local import LocalStorage
from atelier.tools.image_answer import format_handle, format_result
from tests.exhaustive import sample

pytestmark = pytest.mark.anyio

CLAUDE_CHARACTERS = 150_000  # of a whole result in Claude Desktop and claude.ai
CLAUDE_CODE_TOKENS = 25_000  # of a result, images included
JSON_BYTES = 2_048  # of a structured part that is read beside the text
PASTED_CHARACTERS = 24_000  # of a result whose images end up in the model's context as text
LONG_LINK = "https://bucket.s3.example.com/customers/1/{id}.png?X-Amz-Signature=" + "5" * 400


@dataclass(frozen=True)
class Reading:
    """What a model gets: words, and images that it can see."""

    text: str
    images: list[str] = field(default_factory=list[str])


Wire = Mapping[str, Any]


def words_of(result: Wire) -> str:
    return "\n".join(block["text"] for block in result["content"] if block["type"] == "text")


def images_of(result: Wire) -> list[str]:
    return [block["data"] for block in result["content"] if block["type"] == "image"]


def content_only(result: Wire) -> Reading:
    """Gemini CLI, OpenAI Agents SDK, Cursor, LibreChat, opencode, kimi-code: the blocks, not the structured part."""
    return Reading(words_of(result), images_of(result))


def text_only(result: Wire) -> Reading:
    """Zed and the Copilot CLI: the text blocks."""
    return Reading(words_of(result))


def json_only(result: Wire) -> Reading:
    """Codex, ChatGPT: the structured part replaces the blocks, images included, where there is one."""
    structured = result.get("structuredContent")
    return content_only(result) if structured is None else Reading(json.dumps(structured))


def json_for_text(result: Wire) -> Reading:
    """VS Code and Claude Code: the structured part replaces the text; images are kept."""
    return Reading(json_only(result).text, images_of(result))


def both(result: Wire) -> Reading:
    """Open WebUI: the structured part is appended to the text."""
    structured = result.get("structuredContent")
    assert len(json.dumps(structured, ensure_ascii=False).encode()) <= JSON_BYTES
    return Reading(words_of(result) + json.dumps(structured), images_of(result))


def pasted(result: Wire) -> Reading:
    """Google ADK, LlamaIndex, AutoGen: the whole result as JSON in the model's context."""
    text = json.dumps(result)
    assert len(text) <= PASTED_CHARACTERS
    return Reading(text)


@dataclass(frozen=True)
class Kind:
    """A kind of host: how it reads, how it calls itself, and the settings that its page advises."""

    read: Callable[[Wire], Reading]
    client: str = "another"
    settings: Settings = field(default_factory=Settings)
    sees_images: bool = True


KINDS: Mapping[str, Kind] = {
    "content only": Kind(content_only),
    "text only": Kind(text_only, sees_images=False),
    "JSON only": Kind(json_only, sees_images=False),
    "Codex by its name": Kind(json_only, client="codex-mcp-client"),
    "JSON only, without structured content": Kind(json_only, settings=Settings(structured_content=False)),
    "JSON for text": Kind(json_for_text),
    "both": Kind(both),
    "ADK by its name": Kind(pasted, client="google-adk", sees_images=False),
    "pasted, small previews": Kind(pasted, settings=Settings(preview="small"), sees_images=False),
    "pasted, no previews": Kind(pasted, settings=Settings(preview="off"), sees_images=False),
    "content with links": Kind(content_only, settings=Settings(resource_links=True)),
}


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


@cache
def source(kind: str) -> bytes:
    """An image that is as heavy as a photograph, as noise, or that has alpha."""
    noise = Image.frombytes("RGB", (640, 480), os.urandom(640 * 480 * 3))
    if kind == "noise":
        return png(noise)
    photograph = (
        Image.radial_gradient("L").convert("RGB").transform(noise.size, Image.Transform.EXTENT, (0, 0, 256, 256))
    )
    photograph = Image.blend(photograph, noise, 0.08)
    if kind == "alpha":
        photograph.putalpha(photograph.convert("L"))
    return png(photograph)


async def made(kind: str, count: int, storage: LocalStorage, link: str = "") -> ImageResult:
    """Return a result of stored images; with a link they are known by link and id, as those in a bucket."""
    images, found = list[ResultImage](), picture(source(kind))
    for _ in range(count):
        id = new_id("img")
        stored = await storage.put(id, found, {"id": id})
        images.append(ResultImage(found, AssetHandle(id=id, url=link.format(id=id)) if link else stored))
    return ImageResult(
        id=new_id("job"), images=tuple(images), provider="sketch", model="sketch", actual_usd=Decimal("0.04")
    )


def serialised(result: CallToolResult) -> Wire:
    return json.loads(result.model_dump_json(by_alias=True, exclude_none=True))


def claude_tokens(reading: Reading) -> int:
    """Count as Claude does: 28 pixels square for an image, about 4 characters of text."""
    count = len(reading.text) // 4
    for data in reading.images:
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            count += math.ceil(image.width / 28) * math.ceil(image.height / 28)
    return count


CASES = sample(
    product(("photograph", "noise", "alpha"), range(1, 11)), {("photograph", 1), ("alpha", 4), ("noise", 10)}
)
RESULTS = dict[tuple[Path, str, int], ImageResult]()
"""What was stored for one kind of host; the next one gets its previews from there, too."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readers")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("source_kind", "count"), CASES)
async def test_every_image_has_a_handle_that_works(name: str, source_kind: str, count: int, folder: Path) -> None:
    kind, storage = KINDS[name], LocalStorage(folder)
    result = RESULTS.get((folder, source_kind, count)) or await made(source_kind, count, storage)
    RESULTS[folder, source_kind, count] = result
    wire = serialised(await tool_result(format_result(result), storage, kind.settings, HOSTS.get(kind.client, UNKNOWN)))
    reading = kind.read(wire)
    ids = set(re.findall(r"img_[0-9a-zA-Z]{20,}", reading.text))
    assert {image.stored.id for image in result.images if image.stored} <= ids
    for image in result.images:
        assert image.stored
        asset = await storage.get(image.stored.id)
        assert asset
        assert asset.image_bytes == image.image_bytes
    assert str(folder) in reading.text  # each path, or the folder of all
    assert len(reading.images) == (count if kind.sees_images else 0)
    assert len(json.dumps(wire)) < CLAUDE_CHARACTERS
    assert claude_tokens(reading) < CLAUDE_CODE_TOKENS
    assert re.search(r"[A-Za-z0-9+/]{200}", words_of(wire) + json.dumps(wire.get("structuredContent"))) is None


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("count", sample([1, 10], [1], id=str))
async def test_images_in_a_bucket_have_a_link_or_an_id(name: str, count: int, tmp_path: Path) -> None:
    kind, storage = KINDS[name], LocalStorage(tmp_path)
    result = await made("alpha", count, storage, LONG_LINK)
    host = HOSTS.get(kind.client, UNKNOWN)
    text = kind.read(serialised(await tool_result(format_result(result), storage, kind.settings, host))).text
    for image in result.images:
        assert image.stored
        assert image.stored.id in text
    links = set(re.findall(r"https://[^\s\"'()\\]+", text))
    assert links <= {image.stored.url for image in result.images if image.stored}  # whole, or not at all
    assert links or count > 1


@pytest.mark.parametrize("name", KINDS)
def test_an_error_arrives_with_what_to_do(name: str) -> None:
    error = ImageError(Reason.INVALID_REQUEST, "Unknown argument “colour”.", hint="Describe colours in `prompt`.")
    wire = serialised(error_result(error))
    assert wire["isError"]
    reading = KINDS[name].read(wire)
    assert "Describe colours in `prompt`." in reading.text


@pytest.mark.parametrize("name", KINDS)
async def test_a_job_that_still_runs_is_named(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    running = JobHandle(id="job_1", provider="flux", model="flux-2-pro", latest="Waiting.", elapsed=50, usual=70)
    answer = format_handle(running)
    host = HOSTS.get(kind.client, UNKNOWN)
    reading = kind.read(serialised(await tool_result(answer, LocalStorage(tmp_path), kind.settings, host)))
    assert "job_1" in reading.text
    assert "get_image" in reading.text
