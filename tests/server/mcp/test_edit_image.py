"""edit_image as a host meets it: what can be named, who does it, and that the original stays."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from atelier.providers.images import provenance
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.stability import Stability
from tests.conftest import Connect, Environ, files_in, png
from tests.server.mcp.test_server import error, text

pytestmark = pytest.mark.anyio


def half_white(width: int = 64, height: int = 48) -> str:
    """A mask whose right half changes, as a data URI."""
    image = Image.new("L", (width, height), 0)
    image.paste(255, (width // 2, 0, width, height))
    out = io.BytesIO()
    image.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


async def test_a_flow_without_a_key_from_a_drawing_to_two_edits(connect: Connect) -> None:
    async with connect() as client:
        drawn = await client.call_tool("generate_image", {"prompt": "a fox", "size": "200x120"})
        assert drawn.structured_content is not None
        (first,) = drawn.structured_content["images"]
        before = Path(first["path"]).read_bytes()
        by_id = await client.call_tool("edit_image", {"image": first["id"], "prompt": "in the snow"})
        masked = await client.call_tool(
            "edit_image", {"image": first["path"], "prompt": "a hat", "mask": half_white(200, 120)}
        )
    assert by_id.structured_content is not None
    assert masked.structured_content is not None
    edited, painted = by_id.structured_content["images"][0], masked.structured_content["images"][0]
    assert Path(first["path"]).read_bytes() == before
    assert json.loads(Path(edited["path"]).with_suffix(".json").read_text())["parent"] == first["id"]
    old, new = Image.open(first["path"]).convert("RGB"), Image.open(painted["path"]).convert("RGB")
    assert old.crop((0, 0, 100, 120)).tobytes() == new.crop((0, 0, 100, 120)).tobytes()
    assert old.crop((100, 0, 200, 120)).tobytes() != new.crop((100, 0, 200, 120)).tobytes()


async def test_last_is_the_newest_picture_and_ids_chain(connect: Connect) -> None:
    async with connect() as client:
        await client.call_tool("generate_image", {"prompt": "a fox", "size": "100x100"})
        await client.call_tool("generate_image", {"prompt": "an owl", "size": "120x80"})
        result = await client.call_tool("edit_image", {"image": "last", "prompt": "at night"})
    assert result.structured_content is not None
    assert (result.structured_content["images"][0]["width"], result.structured_content["images"][0]["height"]) == (
        120,
        80,
    )


async def test_the_vendor_gets_pictures_references_and_mask(
    connect: Connect, with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    with_openai["ATELIER_INPUT_DIRS"] = str(tmp_path / "in")
    for name, size in (("fox", (64, 48)), ("owl", (32, 32))):
        (tmp_path / "in" / f"{name}.png").write_bytes(png(*size))
    arguments = {
        "image": str(tmp_path / "in" / "fox.png"),
        "images": [str(tmp_path / "in" / "owl.png")],
        "mask": half_white(),
        "prompt": "a hat",
        "quality": "low",
    }
    async with connect() as client:
        result = await client.call_tool("edit_image", arguments)
    assert not result.is_error, text(result)
    assert [image.size for image in openai.sources[-1]] == [(64, 48), (32, 32)]
    assert [openai.masks[-1].getpixel((x, 9)) for x in (3, 60)] == [(0, 0, 0, 255), (0, 0, 0, 0)]


async def test_no_vendor_hears_what_our_own_files_say_of_themselves(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    secret = "a fox by the name of Zuckerhut"
    async with connect() as client:
        drawn = await client.call_tool("generate_image", {"prompt": secret, "model": "sketch", "size": "128x128"})
        assert drawn.structured_content is not None
        (image,) = drawn.structured_content["images"]
        for words in ("last", image["path"]):
            result = await client.call_tool(
                "edit_image", {"image": words, "prompt": f"a hat, {words}", "model": "gpt-image-2.5-flare"}
            )
            assert not result.is_error, text(result)
            record = Path(image["path"]).with_name(f"{(result.structured_content or {})['images'][0]['id']}.json")
            assert json.loads(record.read_text())["parent"] == image["id"]
    assert provenance.read(Path(image["path"]).read_bytes())
    assert len(openai.requests) == 2
    for request in openai.requests:
        assert b"\x89PNG" in request.body
        assert b"Zuckerhut" not in request.body
        assert b"telier:facts" not in request.body


async def test_who_can_do_it_is_found_when_no_model_is_named(
    connect: Connect, with_openai: Environ, openai: OpenAI, stability: Stability
) -> None:
    with_openai |= {"STABILITY_API_KEY": stability.key, "STABILITY_BASE_URL": stability.url}
    async with connect() as client:
        await client.call_tool("generate_image", {"prompt": "a fox", "model": "openai", "size": "1024x1024"})
        result = await client.call_tool("edit_image", {"image": "last", "operation": "remove_background"})
        again = await client.call_tool("edit_image", {"image": "last", "prompt": "a hat", "operation": "variation"})
    assert result.structured_content is not None
    assert result.structured_content["model"] == "stable-image-remove-background"
    assert "stability/stable-image-remove-background" in text(result)
    assert again.structured_content is not None
    assert again.structured_content["provider"] == "stability"  # the picture's own vendor is asked first


@pytest.mark.parametrize(
    ("arguments", "reason", "says"),
    [
        ({"prompt": "a hat"}, "invalid_request", "image"),
        ({"image": "last"}, "invalid_request", "prompt"),
        ({"image": "nothing.png", "prompt": "a hat"}, "invalid_request", "asset id"),
        ({"image": "/etc/hostname", "prompt": "a hat"}, "invalid_request", "ATELIER_INPUT_DIRS"),
        ({"image": "img_" + "0" * 26, "prompt": "a hat"}, "not_found", "no image"),
        ({"image": "last", "operation": "erase", "model": "sketch"}, "unsupported_operation", "erase"),
        ({"image": "last", "operation": "paint", "prompt": "a hat"}, "invalid_request", "outpaint"),
        ({"image": "last", "operation": "inpaint", "prompt": "a hat"}, "invalid_request", "mask"),
        ({"image": "last", "prompt": "a hat", "mask": half_white(10, 10)}, "invalid_request", "10x10"),
        ({"image": "last", "prompt": "a hat", "images": ["last"]}, "unsupported_option", "at most 1"),
        ({"image": "last", "prompt": "a hat", "strength": 0.5}, "unsupported_option", "strength"),
        ({"image": "last", "prompt": "a hat", "strength": 2}, "invalid_request", "at most 1"),
        ({"image": "last", "prompt": "a hat", "search": "a dog"}, "unsupported_option", "search"),
        ({"image": "last", "prompt": "a hat", "left": -5}, "invalid_request", "left"),
        ({"image": "last", "prompt": "a hat", "image_url": "x"}, "invalid_request", "image_url"),
    ],
)
async def test_bad_edits_are_refused_and_nothing_new_is_stored(
    connect: Connect, tmp_path: Path, arguments: dict[str, Any], reason: str, says: str
) -> None:
    async with connect() as client:
        await client.call_tool("generate_image", {"prompt": "a fox", "size": "64x64"})
        before = files_in(tmp_path / "out")
        result = await client.call_tool("edit_image", arguments)
    assert error(result)["reason"] == reason
    assert says in text(result)
    assert files_in(tmp_path / "out") == before


@pytest.mark.parametrize("images", ['["last"]', "last", ["last"], None, "", []])
async def test_a_list_may_come_as_hosts_write_it(
    connect: Connect, with_openai: Environ, openai: OpenAI, images: Any
) -> None:
    async with connect() as client:
        await client.call_tool("generate_image", {"prompt": "a fox", "model": "sketch", "size": "64x64"})
        result = await client.call_tool(
            "edit_image", {"image": "last", "prompt": "x", "images": images, "model": "openai"}
        )
    assert not result.is_error, text(result)
    assert len(openai.sources[-1]) == (2 if images else 1)
