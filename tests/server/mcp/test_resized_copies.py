"""Exact delivery as a host meets it: the original stays, the copy is its child, and the answer tells both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from atelier.providers.images import provenance
from atelier.providers.testing.emulators.openai import OpenAI
from tests.conftest import Connect, Environ, files_in
from tests.server.mcp.test_server import error, images, text

pytestmark = pytest.mark.anyio


async def test_a_copy_is_kept_beside_the_picture_as_its_child(connect: Connect, tmp_path: Path) -> None:
    async with connect() as client:
        result = await client.call_tool(
            "generate_image",
            {"prompt": "a fox", "size": "400x400", "deliver_size": "120x63", "deliver_max_kb": 6, "seed": 3},
        )
        assert result.structured_content is not None
        (image,) = result.structured_content["images"]
        copy = image["delivered"]
        again = await client.call_tool("edit_image", {"image": copy["id"], "prompt": "in the snow"})
    assert (image["width"], image["height"]) == (400, 400)
    assert (copy["width"], copy["height"]) == (120, 63)
    assert copy["bytes"] == Path(copy["path"]).stat().st_size
    assert copy["bytes"] <= 6000
    with Image.open(copy["path"]) as opened:
        assert opened.size == (120, 63)
    record = json.loads(Path(copy["path"]).with_suffix(".json").read_text())
    assert (record["parent"], record["operation"], record["actual_usd"]) == (image["id"], "deliver", 0)
    assert record["asked"] == {"deliver_size": "120x63", "deliver_fit": "crop", "deliver_max_kb": 6}
    assert provenance.read(Path(copy["path"]).read_bytes()) == {
        "id": copy["id"], "created_at": record["created_at"], "operation": "deliver", "prompt": "a fox",
        "provider": "sketch", "model": "sketch", "seed": 3, "actual_usd": 0.0, "parent": image["id"],
    }  # fmt: skip
    assert "400x400 PNG delivered as 120x63" in result.structured_content["summary"]
    assert "(original 400×400 PNG)" in text(result)
    assert copy["path"] in text(result)
    assert len(images(result)) == 1
    assert not again.is_error
    assert len([path for path in files_in(tmp_path) if path.suffix == ".json"]) == 3


async def test_the_facts_stay_out_of_a_copy_that_they_would_make_too_large(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool(
            "generate_image",
            {"prompt": "a fox " * 600, "size": "400x400", "deliver_size": "120x63", "deliver_max_kb": 4},
        )
    assert result.structured_content is not None
    copy = result.structured_content["images"][0]["delivered"]
    assert Path(copy["path"]).stat().st_size == copy["bytes"] <= 4000
    record = json.loads(Path(copy["path"]).with_suffix(".json").read_text())
    assert (record["embedded"], record["bytes"], record["prompt"]) == (False, copy["bytes"], ("a fox " * 600).strip())
    assert provenance.read(Path(copy["path"]).read_bytes()) is None


async def test_every_picture_has_its_copy(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", "n": 3, "deliver_size": "64x64"})
    assert result.structured_content is not None
    assert text(result).count("Resized copy: 64×64") == 3


async def test_no_vendor_hears_of_it(connect: Connect, with_openai: Environ, openai: OpenAI) -> None:
    async with connect() as client:
        wanted = {"prompt": "a fox", "model": "openai", "deliver_size": "64x64", "deliver_fit": "pad"}
        assert not (await client.call_tool("generate_image", wanted)).is_error
    (request,) = openai.requests
    assert "deliver" not in request.body.decode()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"deliver_size": "0x0"}, "deliver_size"),
        ({"deliver_size": "9000x10"}, "deliver_size"),
        ({"deliver_max_kb": 3}, "deliver_max_kb"),
        ({"deliver_fit": "pad"}, "deliver_fit"),
        ({"deliver_size": "64x64", "save": False}, "this call stores none"),
    ],
)
async def test_what_cannot_be_delivered_is_refused_before_anything_is_billed(
    connect: Connect, with_openai: Environ, openai: OpenAI, given: dict[str, object], words: str
) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", **given})
    assert error(result)["reason"] == "invalid_request"
    assert words in text(result)
    assert openai.requests == []


async def test_a_copy_that_cannot_be_made_costs_no_picture(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool(
            "generate_image", {"prompt": "a fox", "deliver_size": "2000x2000", "deliver_max_kb": 4}
        )
    assert result.structured_content is not None
    (image,) = result.structured_content["images"]
    assert Path(image["path"]).is_file()
    assert "delivered" not in image
    assert any("No resized copy was made" in warning for warning in result.structured_content["warnings"]), (
        result.structured_content["warnings"]
    )
