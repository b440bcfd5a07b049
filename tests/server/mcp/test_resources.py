"""Pictures as resources, through the official client in both protocol versions."""

from __future__ import annotations

import base64
import io
import os
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged
from mcp.types import INVALID_PARAMS, BlobResourceContents, ResourceTemplateReference, TextResourceContents
from PIL import Image

from atelier.providers.core.tracing import new_id
from atelier.providers.images.identify import picture
from atelier.server.composition import storage_of
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from tests.conftest import Connect, Environ, encoded_png, png

pytestmark = pytest.mark.anyio


async def drawn(client: Client, prompt: str = "a fox") -> str:
    result = await client.call_tool("generate_image", {"prompt": prompt, "model": "sketch", "size": "320x200"})
    return dict[str, Any](result.structured_content or {})["images"][0]["id"]


def opened(content: Any) -> Image.Image:
    assert isinstance(content, BlobResourceContents)
    return Image.open(io.BytesIO(base64.b64decode(content.blob)))


async def test_the_templates_are_listed(connect: Connect) -> None:
    async with connect() as client:
        listed = (await client.list_resource_templates()).resource_templates
    assert [each.uri_template for each in listed] == [
        "image://assets/{id}",
        "image://assets/{id}/preview",
        "atelier://styles/{name}",
    ]


async def test_the_newest_images_are_listed_page_by_page(connect: Connect, environ: Environ) -> None:
    storage, ids = storage_of(Settings.from_environ(environ)), [new_id("img") for _ in range(23)]
    for id in ids:
        await storage.put(id, picture(png(8, 8)), {"id": id, "prompt": "a fox", "mime": "image/png", "bytes": 70})
    async with connect() as client:
        first = await client.list_resources()
        second = await client.list_resources(cursor=first.next_cursor)
        with pytest.raises(MCPError):
            await client.list_resources(cursor="img_1")
        (file,) = (await client.read_resource(first.resources[0].uri)).contents
    listed = [str(each.uri) for each in (*first.resources, *second.resources)]
    assert listed == [f"image://assets/{id}" for id in sorted(ids, reverse=True)]
    assert (len(first.resources), second.next_cursor) == (20, None)
    assert (first.resources[0].title, first.resources[0].mime_type) == ("a fox", "image/png")
    with opened(file) as whole:
        assert whole.size == (8, 8)


async def test_a_subscriber_hears_of_a_new_image(environ: Environ) -> None:
    async with (
        Client(build_server(Settings.from_environ(environ)), mode="2026-07-28") as client,
        client.listen(resources_list_changed=True) as changes,
    ):
        id = await drawn(client)
        with anyio.fail_after(20):
            event = await anext(aiter(changes))
        listed = (await client.list_resources()).resources
    assert isinstance(event, ResourcesListChanged)
    assert str(listed[0].uri) == f"image://assets/{id}"


async def test_a_picture_is_read_as_its_file_and_as_a_small_jpeg(connect: Connect) -> None:
    async with connect() as client:
        id = await drawn(client)
        (file,) = (await client.read_resource(f"image://assets/{id}")).contents
        (small,) = (await client.read_resource(f"image://assets/{id}/preview")).contents
    assert (file.mime_type, small.mime_type) == ("image/png", "image/jpeg")
    with opened(file) as whole, opened(small) as preview:
        assert (whole.format, whole.size) == ("PNG", (320, 200))
        assert (preview.format, preview.size) == ("JPEG", (320, 200))


async def test_a_large_file_is_read_as_its_preview_with_a_note(connect: Connect, environ: Environ) -> None:
    noise = encoded_png(Image.frombytes("RGB", (600, 600), os.urandom(1_080_000)))
    id = new_id("img")
    stored = await storage_of(Settings.from_environ(environ)).put(id, picture(noise), {"id": id})
    async with connect() as client:
        small, note = (await client.read_resource(f"image://assets/{id}")).contents
    assert small.mime_type == "image/jpeg"
    assert isinstance(note, TextResourceContents)
    assert "its preview" in note.text
    assert str(stored.path) in note.text


@pytest.mark.parametrize(
    "uri",
    ["image://assets/img_01m89xfxyzed5vd9wqmeccd4g4", "image://assets/last", "image://assets/../x", "image://x/y"],
)
async def test_what_is_not_there_is_an_invalid_parameter(connect: Connect, uri: str) -> None:
    async with connect() as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert caught.value.error.code == INVALID_PARAMS


async def test_ids_are_completed_the_newest_first(connect: Connect) -> None:
    async with connect() as client:
        ids = [await drawn(client, prompt) for prompt in ("a fox", "an owl")]
        ref = ResourceTemplateReference(uri="image://assets/{id}")
        found = await client.complete(ref, {"name": "id", "value": "img_"})
        none = await client.complete(ref, {"name": "id", "value": "img_zz"})
        other = await client.complete(ref, {"name": "size", "value": ""})
    assert found.completion.values == ids[::-1]
    assert none.completion.values == other.completion.values == []
