"""How an image reaches the caller: stored, whole in the answer, in a file of the caller's choice, as a copy."""

from __future__ import annotations

import base64
import io
import os
import re
from pathlib import Path
from typing import Any

import pytest
from mcp.types import CallToolResult, Implementation
from PIL import Image

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer, Slow
from atelier.server.mcp.results import HOSTS, UNKNOWN
from tests.conftest import Connect, Environ, files_in, png
from tests.exhaustive import exhaustive
from tests.server.cli.in_process import atelier
from tests.server.mcp.test_server import error, images, opened, text

pytestmark = pytest.mark.anyio

FOX = {"prompt": "a fox", "model": "sketch", "size": "400x300"}


def first(result: CallToolResult) -> dict[str, Any]:
    """The structured facts of the first image."""
    assert result.structured_content is not None, text(result)
    return result.structured_content["images"][0]


async def test_both_stores_the_image_and_attaches_it_whole(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {**FOX, "deliver": "both"})
    (block,) = images(result)
    assert base64.b64decode(block.data) == Path(first(result)["path"]).read_bytes()
    assert "What is attached is the full size" in text(result)


@pytest.mark.parametrize("words", [{"deliver": "inline"}, {"save": False}])
async def test_inline_attaches_it_whole_and_keeps_nothing(
    connect: Connect, tmp_path: Path, words: dict[str, Any]
) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {**FOX, **words})
        with opened(images(result)[0]) as whole:
            assert (whole.format, whole.size) == ("PNG", (400, 300))
        assert "id" not in first(result)
    assert not [path for path in files_in(tmp_path / "out") if path.suffix == ".png"]


async def test_one_word_stands_for_each_part_of_a_copy(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {**FOX, "deliver": "120x63 pad, 20kb"})
    copy = first(result)["delivered"]
    assert (copy["width"], copy["height"]) == (120, 63)
    assert copy["bytes"] <= 20_000


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"deliver": "somewhere"}, "must be made of inline, file, both"),
        ({"deliver": "inline both"}, "has both inline and both"),
        ({"deliver": "120x63", "deliver_size": "64x64"}, "“deliver” and “deliver_size” do not say the same"),
        ({"deliver": "file", "save": False}, "“deliver” and “save” do not say the same"),
        ({"deliver": "pad"}, "deliver_fit needs deliver_size"),
    ],
)
async def test_words_that_contradict_are_refused_before_anything_is_sent(
    connect: Connect, with_openai: Environ, openai: OpenAI, given: dict[str, Any], says: str
) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", "model": "openai", **given})
    assert error(result)["reason"] == "invalid_request"
    assert says in text(result)
    assert openai.requests == []


async def test_output_path_writes_a_file_of_that_name(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "fox.jpg"
    async with connect() as client:
        result = await client.call_tool("generate_image", {**FOX, "n": 2, "output_path": str(target)})
    names = [target.with_name("fox-1.png"), target.with_name("fox-2.png")]  # by the format that it has
    assert f"Written to {names[0]}, {names[1]}." in text(result)
    assert result.structured_content is not None
    paths = [Path(image["path"]) for image in result.structured_content["images"]]
    assert [path.read_bytes() for path in names] == [path.read_bytes() for path in paths]


async def test_output_path_never_replaces_a_file_without_being_told(
    connect: Connect, with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "fox.png"
    target.write_bytes(b"mine")
    ask = {"prompt": "a fox", "model": "openai", "output_path": "fox.png"}
    async with connect() as client:
        refused = await client.call_tool("generate_image", ask)
        assert (openai.requests, target.read_bytes()) == ([], b"mine"), "nothing is billed for it"
        done = await client.call_tool("generate_image", {**ask, "deliver": "overwrite"})
    assert "add overwrite to `deliver`" in text(refused)
    assert target.read_bytes() == Path(first(done)["path"]).read_bytes()


@pytest.mark.parametrize("path", ["/etc/fox.png", "../fox.png", "~/fox.png", "nowhere/fox.png", "link/fox.png"])
async def test_output_path_stays_in_the_allowed_folders(
    connect: Connect, with_openai: Environ, openai: OpenAI, tmp_path: Path, path: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path)
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", "model": "openai", "output_path": path})
    assert error(result)["reason"] == "invalid_request"
    assert openai.requests == []
    assert not (tmp_path / "fox.png").exists()


async def test_get_image_gives_a_copy_in_another_size_format_and_crop(connect: Connect, tmp_path: Path) -> None:
    async with connect() as client:
        made = first(await client.call_tool("generate_image", FOX))
        ask = {"id": made["id"], "crop": "10,20,200,100", "deliver": "100x50", "output_format": "jpeg"}
        copy = await client.call_tool("get_image", {**ask, "output_path": "small.jpg"})
        listed = await client.call_tool("get_image", {})
    with Image.open(first(copy)["path"]) as shown, Image.open(made["path"]) as whole:
        assert (shown.format, shown.size) == ("JPEG", (100, 50))
        expected = whole.convert("RGB").crop((10, 20, 210, 120)).reduce(2)
        found = shown.convert("RGB")
        assert max(abs(a - b) for a, b in zip(found.tobytes(), expected.tobytes(), strict=True)) < 60
    assert (tmp_path / "out" / "small.jpg").read_bytes() == Path(first(copy)["path"]).read_bytes()
    assert copy.structured_content is not None
    assert copy.structured_content["parent"] == made["id"]
    assert first(listed)["id"] == made["id"], "a copy is never the last image"


async def test_get_image_inline_keeps_no_copy(connect: Connect, tmp_path: Path) -> None:
    async with connect() as client:
        await client.call_tool("generate_image", FOX)
        before = files_in(tmp_path / "out")
        copy = await client.call_tool("get_image", {"output_format": "webp", "deliver": "inline"})
    with opened(images(copy)[0]) as shown:
        assert (shown.format, shown.size) == ("WEBP", (400, 300))
    assert [path for path in files_in(tmp_path / "out") if path not in before] == []


@pytest.mark.parametrize(("crop", "says"), [("0,0,4000,10", "lies outside the image"), ("1,2", "LEFT,TOP,WIDTH")])
async def test_a_crop_that_cannot_be_is_refused(connect: Connect, crop: str, says: str) -> None:
    async with connect() as client:
        await client.call_tool("generate_image", FOX)
        result = await client.call_tool("get_image", {"crop": crop})
    assert error(result)["reason"] == "invalid_request"
    assert says in text(result)


async def test_only_named_tools_are_served_and_delete_image_is_one(connect: Connect, environ: Environ) -> None:
    environ["ATELIER_TOOLS"] = "generate_image, delete_image"
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        made = first(await client.call_tool("generate_image", FOX))
        wrong = await client.call_tool("delete_image", {"ids": ["last"]})
        done = await client.call_tool("delete_image", {"ids": [made["id"]]})
        again = await client.call_tool("delete_image", {"ids": [made["id"]]})
    assert list(tools) == ["generate_image", "delete_image"]
    hints = tools["delete_image"].annotations
    assert hints is not None
    assert (hints.destructive_hint, hints.read_only_hint) == (True, False)
    assert error(wrong)["reason"] == "invalid_request"
    assert not Path(made["path"]).exists()
    assert (text(done), text(again)) == (f"Deleted: {made['id']}.", f"Not found: {made['id']}.")


@exhaustive
def test_a_tool_that_does_not_exist_stops_the_start(environ: Environ) -> None:
    done = atelier(environ | {"ATELIER_TOOLS": "generate_image,paint"}, "serve")
    assert done.returncode == 1
    assert "no tool is called “paint”" in done.stderr


@pytest.mark.parametrize(("mode", "bytes_", "edge"), [("small", 12 * 1024, 256), ("off", 0, 0)])
async def test_previews_can_be_small_or_off(
    connect: Connect, environ: Environ, mode: str, bytes_: int, edge: int
) -> None:
    environ["ATELIER_PREVIEW"] = mode
    async with connect() as client:
        result = await client.call_tool("generate_image", FOX)
    shown = images(result)
    assert sum(len(base64.b64decode(block.data)) for block in shown) <= bytes_
    assert [max(opened(block).size) for block in shown] == ([edge] if edge else [])
    assert ("No preview is attached" in text(result)) == (mode == "off")


async def test_previews_can_have_another_size(connect: Connect, environ: Environ) -> None:
    environ["ATELIER_PREVIEW_PIXELS"] = "320"
    async with connect() as client:
        result = await client.call_tool("generate_image", FOX)
    assert max(opened(images(result)[0]).size) == 320


async def test_codex_gets_no_structured_part_since_it_would_drop_the_preview(connect: Connect) -> None:
    async with connect(client_info=Implementation(name="codex-mcp-client", version="1")) as client:
        result = await client.session.call_tool("get_image", {"list": True})
        drawn = await client.session.call_tool("generate_image", FOX)
    assert isinstance(drawn, CallToolResult)
    assert isinstance(result, CallToolResult)
    assert (result.structured_content, drawn.structured_content) == (None, None)
    assert len(images(drawn)) == 1
    assert "File: " in text(drawn)


async def test_adk_gets_a_small_preview_since_it_pastes_it_as_text(connect: Connect) -> None:
    async with connect(client_info=Implementation(name="google-adk", version="2")) as client:
        result = await client.call_tool("generate_image", FOX)
    assert max(opened(images(result)[0]).size) == 256


async def test_a_host_that_takes_more_gets_a_larger_image_whole(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    noise = Image.frombytes("RGB", (400, 400), os.urandom(480_000))
    out = io.BytesIO()
    noise.save(out, "PNG")
    body = {"created": 1, "data": [{"b64_json": base64.b64encode(out.getvalue()).decode()}]}
    openai.script.extend([Answer(200, body), Answer(200, body)])
    ask = {"prompt": "a fox", "model": "openai", "deliver": "both"}
    async with connect() as client:
        usual = await client.call_tool("generate_image", ask)
    async with connect(client_info=Implementation(name="Visual Studio Code", version="1")) as client:
        whole = await client.call_tool("generate_image", ask)
    assert (images(usual)[0].mime_type, images(whole)[0].mime_type) == ("image/jpeg", "image/png")
    assert len(base64.b64decode(images(whole)[0].data)) > 400_000


def test_every_host_of_the_table_differs_from_the_general_rules() -> None:
    assert [name for name, host in HOSTS.items() if host == UNKNOWN] == []


@exhaustive
def test_the_command_line_writes_a_file_and_replaces_none_by_itself(environ: Environ, tmp_path: Path) -> None:
    target = tmp_path / "fox.png"
    ask = ["generate", "a fox", "--model", "sketch", "--size", "64x64", "--output", str(target)]
    assert atelier(environ, *ask).returncode == 0
    with Image.open(target) as written:
        assert written.size == (64, 64)
    target.write_bytes(png(8, 8))
    again = atelier(environ, *ask)
    assert (again.returncode, target.read_bytes()) == (1, png(8, 8))
    assert "--overwrite" in again.stderr
    assert atelier(environ, *ask, "--overwrite").returncode == 0
    assert target.read_bytes() != png(8, 8)


@exhaustive
async def test_the_answer_of_a_running_job_says_how_long_it_took_and_such_calls_take(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    async with connect() as client:
        openai.script.append(Slow(0.1))
        await client.call_tool("generate_image", {"prompt": "an owl", "model": "openai"})
    with_openai["ATELIER_WAIT_SECONDS"] = "0.3"
    async with connect() as client:
        openai.script.append(Slow(2))
        running = await client.call_tool("generate_image", {"prompt": "a fox", "model": "openai"})
    assert re.search(r"It has run for [01] s; such calls took about \d+ s lately\.", text(running)), text(running)
