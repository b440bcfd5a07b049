"""Pictures in a bucket as a host meets them: the real process over stdio, and a store that verifies signatures."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.types import BlobResourceContents, CallToolResult, ResourceTemplateReference

from atelier.providers.core.tracing import uuid_of
from atelier.providers.transport.network.http_client import httpx
from tests.conftest import Environ
from tests.emulators.s3 import Front, refusal
from tests.exhaustive import exhaustive, sample
from tests.server.mcp.test_server import images, text
from tests.server.storage.conftest import Place
from tests.server.storage.test_upload_queue import in_the_bucket

pytestmark = pytest.mark.anyio

FOX = {"prompt": "a fox", "model": "sketch", "size": "320x200"}


def of(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, text(result)
    return dict(result.structured_content or {})


@exhaustive
async def test_a_store_without_conditional_puts_at_an_endpoint_with_the_bucket_has_the_picture(
    place: Place, front: Front, environ: Environ
) -> None:
    front.unconditional = refusal(501, "NotImplemented")
    environ |= in_the_bucket(place, f"{front.url}/{place.name}")
    async with Client(parameters(environ)) as client:
        made = of(await client.call_tool("generate_image", FOX))
        shown = of(await client.call_tool("get_image", {"id": "last"}))
    stem = f"customers/7/assets/image/{uuid_of(made['images'][0]['id'])}"
    assert place.objects == [f"{stem}.json", f"{stem}.png", f"{stem}.preview.jpg"]
    assert not made.get("warnings")
    assert shown["images"][0]["id"] == made["images"][0]["id"]
    refused = [request for request in front.requests if "if-none-match" in request.headers]
    assert len(refused) == 1


@exhaustive
@pytest.mark.parametrize("mode", sample(["auto", "legacy"], ["auto"]))
async def test_links_are_fresh_previews_are_made_once_and_the_resource_is_the_object(
    place: Place, front: Front, environ: Environ, mode: Any
) -> None:
    environ |= in_the_bucket(place, front.url)
    async with Client(parameters(environ), mode=mode) as client:
        made = of(await client.call_tool("generate_image", FOX))["images"][0]
        folder = f"customers/7/assets/image/{uuid_of(made['id'])}"
        assert place.objects == [f"{folder}.json", f"{folder}.png", f"{folder}.preview.jpg"]
        written = puts(front)
        assert not [request for request in front.requests if request.method == "GET"]  # a new image has no preview
        shown = await client.call_tool("get_image", {"id": made["id"]})
        by_link = of(await client.call_tool("get_image", {"id": made["url"] + "x"}))  # as if it had expired
        edited = of(await client.call_tool("edit_image", {"image": made["url"], "prompt": "a hat", "model": "sketch"}))
        parent = of(await client.call_tool("get_image", {"id": edited["images"][0]["id"]}))["parent"]
        (whole,) = (await client.read_resource(f"image://assets/{made['id']}")).contents
        (small,) = (await client.read_resource(f"image://assets/{made['id']}/preview")).contents
        template = ResourceTemplateReference(uri="image://assets/{id}/preview")
        completed = await client.complete(template, {"name": "id", "value": "img_"})
    assert (by_link["images"][0]["id"], parent) == (made["id"], made["id"])
    url = of(shown)["images"][0]["url"]
    assert url in text(shown)
    async with httpx.AsyncClient(trust_env=False) as web:
        answer = await web.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert isinstance(whole, BlobResourceContents)
    assert isinstance(small, BlobResourceContents)
    assert (whole.mime_type, base64.b64decode(whole.blob)) == ("image/png", answer.content)
    assert (small.mime_type, small.blob) == ("image/jpeg", images(shown)[0].data)
    assert completed.completion.values == [edited["images"][0]["id"], made["id"]]
    assert written == 3
    assert puts(front) == written + 3  # of the edit alone
    assert len(json.dumps(of(shown))) < 2_000


def puts(front: Front) -> int:
    return sum(request.method == "PUT" for request in front.requests)


def parameters(environ: Environ) -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=["-m", "atelier.server"], env=environ)
