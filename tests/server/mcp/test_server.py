"""The server as a host meets it: the official client, in this process, in both protocol versions."""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from datetime import date
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, ImageContent, TextContent
from PIL import Image

from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer, Held, Slow
from atelier.providers.testing.waiting import eventually, leave
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from atelier.tools import TOOLS
from tests.conftest import Connect, Environ, files_in, png
from tests.exhaustive import exhaustive, sample

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["auto", "legacy"], ids=["2026-07-28", "2025-11-25"])
def era(request: pytest.FixtureRequest) -> str:
    """Both protocol eras, in the fast part as well."""
    return request.param


def text(result: CallToolResult) -> str:
    """The one text block, which comes first."""
    assert isinstance(result.content[0], TextContent)
    assert [block.type for block in result.content].count("text") == 1
    return result.content[0].text


def error(result: CallToolResult) -> dict[str, Any]:
    """What programs read of an error."""
    assert result.is_error
    assert result.structured_content is None
    return (result.meta or {})["atelier/error"]


def images(result: CallToolResult) -> list[ImageContent]:
    return [block for block in result.content if isinstance(block, ImageContent)]


def opened(block: ImageContent) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(block.data)))


async def test_it_introduces_itself(connect: Connect) -> None:
    async with connect() as client:
        assert client.server_info is not None
        assert (client.server_info.name, client.server_info.title) == ("atelier", "Atelier")
        assert client.server_info.version
        assert [icon.mime_type for icon in client.server_info.icons or []] == ["image/png"]
        assert "generate_image" in (client.instructions or "")
        assert "Good at" not in (client.instructions or "")
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == [tool.name for tool in TOOLS]
    assert not [tool.name for tool in tools if tool.icons]


async def test_the_instructions_name_what_the_vendors_with_a_key_are_good_at(
    connect: Connect, environ: Environ
) -> None:
    environ |= {"ATELIER_IDEOGRAM_API_KEY": "none", "RECRAFT_API_KEY": "none"}
    async with connect() as client:
        words = client.instructions or ""
    section = words.partition("Good at")[2].splitlines()[1:]
    assert [line.partition(":")[0] for line in section] == ["ideogram-v3", "recraftv4_1"]
    assert "lettering" in section[0]


async def test_without_a_key_a_sketch_is_drawn_stored_and_called_one(connect: Connect, tmp_path: Path) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a lighthouse at dusk"})
    assert not result.is_error
    words, told = text(result), result.structured_content
    assert words.splitlines()[0].startswith("No vendor key is set")
    assert told is not None
    assert (told["status"], told["provider"], told["model"], told["actual_usd"]) == ("done", "sketch", "sketch", 0)
    (image,) = told["images"]
    path = Path(image["path"])
    assert path.is_file()
    assert re.fullmatch(r"\d{4}/\d\d/img_[0-9a-z]{26}\.png", path.relative_to(tmp_path / "out").as_posix())
    assert (image["mime"], image["width"], image["height"], image["bytes"]) == (
        "image/png",
        1024,
        1024,
        path.stat().st_size,
    )
    for fact in (image["path"], image["id"], "sketch/sketch", "1024×1024"):
        assert fact in words
    assert "Show the user" in words


async def test_one_small_jpeg_rides_along_and_is_kept_beside_the_picture(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a lighthouse at dusk"})
    (block,) = images(result)
    assert [b.type for b in result.content] == ["text", "image"]
    assert block.mime_type == "image/jpeg"
    with opened(block) as preview:
        assert (preview.format, preview.size) == ("JPEG", (768, 768))
    assert result.structured_content is not None
    preview_path = Path(result.structured_content["images"][0]["preview_path"])
    assert preview_path.read_bytes() == base64.b64decode(block.data)


@pytest.mark.parametrize("n", sample([2, 10], [2]))
async def test_many_pictures_share_the_budget(connect: Connect, n: int) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a neon city", "n": n})
    assert len(images(result)) == n
    assert sum(len(base64.b64decode(block.data)) for block in images(result)) <= 100 * 1024
    assert len(result.model_dump_json(by_alias=True)) < 150_000
    assert len(json.dumps(result.structured_content).encode()) < 2_048
    assert result.structured_content is not None
    assert len({image["id"] for image in result.structured_content["images"]}) == n
    assert all(image["id"] in text(result) for image in result.structured_content["images"]), result.structured_content[
        "images"
    ]


async def test_base64_is_nowhere_but_in_image_blocks(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox"})
    result.content = [block for block in result.content if block.type != "image"]
    (result.meta or {}).pop("io.modelcontextprotocol/serverInfo", None)  # has the icon
    assert not re.search(r"[A-Za-z0-9+/]{200}", result.model_dump_json(by_alias=True))


async def test_structured_content_can_be_switched_off(connect: Connect, environ: Environ) -> None:
    environ["ATELIER_STRUCTURED_CONTENT"] = "off"
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox"})
    assert result.structured_content is None
    assert len(images(result)) == 1


async def test_resource_links_come_last_and_only_when_wanted(connect: Connect, environ: Environ) -> None:
    environ["ATELIER_RESOURCE_LINKS"] = "true"
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", "n": 2})
    assert [block.type for block in result.content] == ["text", "image", "image", "resource_link", "resource_link"]
    link = result.content[-1]
    assert link.type == "resource_link"
    assert link.uri.startswith("file:///")
    assert link.annotations is not None
    assert link.annotations.audience == ["user"]


async def test_save_false_hands_the_picture_over_and_stores_nothing(connect: Connect, tmp_path: Path) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", "save": False})
    (block,) = images(result)
    assert block.mime_type == "image/png"
    with opened(block) as picture:
        assert picture.size == (1024, 1024)
    assert files_in(tmp_path) == []  # what is free is not kept account of either
    assert result.structured_content is not None
    assert "path" not in result.structured_content["images"][0]
    assert "not stored" in text(result)


@exhaustive
async def test_a_picture_too_large_to_hand_over_is_stored_after_all(connect: Connect, tmp_path: Path) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a neon city", "n": 10, "save": False})
    assert len([path for path in files_in(tmp_path / "out") if path.suffix == ".png"]) == 10
    assert "too large" in text(result)
    assert len(result.model_dump_json(by_alias=True)) < 150_000


async def test_the_vendor_draws_when_its_key_is_set(connect: Connect, with_openai: Environ, openai: OpenAI) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", "quality": "low", "aspect_ratio": "16:9"})
    assert result.structured_content is not None
    assert (result.structured_content["provider"], result.structured_content["model"]) == (
        "openai",
        "gpt-image-2.5-flare",
    )
    assert len(openai.requests) == 1
    record = json.loads(Path(result.structured_content["images"][0]["path"]).with_suffix(".json").read_text())
    assert (record["prompt"], record["model"], record["provider"]) == ("a fox", "gpt-image-2.5-flare", "openai")
    assert record["details"]["request_id"] == "req_emulated_1"
    assert record["usage"]["output_tokens"] == 106


async def test_progress_comes_after_a_second_rises_and_stops_with_the_answer(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    openai.next(Slow(1.5))
    seen: list[tuple[float, str | None]] = []

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, message))

    async with connect() as client:
        await client.call_tool("generate_image", {"prompt": "a fox"}, progress_callback=watch)
        told = len(seen)
        await anyio.sleep(0.1)
    assert told == len(seen) >= 1
    assert [number for number, _ in seen] == sorted({number for number, _ in seen})
    assert any("OpenAI" in (message or "") for _, message in seen), seen


async def test_a_call_of_less_than_a_second_sends_no_progress(connect: Connect, with_openai: Environ) -> None:
    seen: list[str | None] = []

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        seen.append(message)

    async with connect() as client:
        for prompt in ("a fox", "an owl"):
            await client.call_tool("generate_image", {"prompt": prompt}, progress_callback=watch)
    assert seen == []


@pytest.mark.parametrize(
    ("arguments", "reason", "says"),
    [
        ({}, "invalid_request", "prompt"),
        ({"prompt": ""}, "invalid_request", "empty"),
        ({"prompt": " \n\t "}, "invalid_request", "empty"),
        ({"prompt": "x" * 32_001}, "invalid_request", "32,000"),
        ({"prompt": "x" * 4_001, "model": "sketch"}, "invalid_request", "4,000"),
        ({"prompt": 7}, "invalid_request", "prompt"),
        ({"prompt": "a", "n": 0}, "invalid_request", "at least 1"),
        ({"prompt": "a", "n": 11}, "invalid_request", "at most 10"),
        ({"prompt": "a", "n": True}, "invalid_request", "n"),
        ({"prompt": "a", "n": 1.5}, "invalid_request", "n"),
        ({"prompt": "a", "sizes": "1024x1024"}, "invalid_request", "did you mean “size”"),
        ({"prompt": "a", "size": "banana"}, "invalid_request", "1024x1024"),
        ({"prompt": "a", "size": "0x0"}, "invalid_request", "size"),
        ({"prompt": "a", "size": "5000x5000"}, "unsupported_option", "4096"),
        ({"prompt": "a", "size": "1024x1024", "aspect_ratio": "1:1"}, "invalid_request", "aspect_ratio"),
        ({"prompt": "a", "aspect_ratio": "wide"}, "invalid_request", "16:9"),
        ({"prompt": "a", "model": "gpt-imge-2"}, "unknown_model", "gpt-image-2"),
        ({"prompt": "a", "model": "openai"}, "authentication", "OPENAI_API_KEY"),
        ({"prompt": "a", "model": "gpt-image-1"}, "model_retired", "gpt-image-2.5-flare"),
        ({"prompt": "a", "model": "dall-e-3"}, "model_retired", "2026-05-12"),
        ({"prompt": "a", "model": "gpt-image-2", "quality": "max"}, "unsupported_option", "high"),
        ({"prompt": "a", "model": "openai", "seed": 7}, "unsupported_option", "seed"),
        ({"prompt": "a", "model": "openai", "negative_prompt": "dogs"}, "unsupported_option", "negative_prompt"),
        ({"prompt": "a", "style": "anime"}, "unsupported_option", "style"),
        ({"prompt": "a", "model": "gpt-image-1.5", "size": "512x512"}, "unsupported_option", "1536x1024"),
        ({"prompt": "a", "output_format": "gif"}, "invalid_request", "png"),
        ({"prompt": "a", "output_format": "jpeg", "background": "transparent"}, "invalid_request", "webp"),
        ({"prompt": "a", "output_compression": 50}, "invalid_request", "jpeg"),
        ({"prompt": "a", "output_compression": 101}, "invalid_request", "100"),
        ({"prompt": "a", "seed": -1}, "invalid_request", "seed"),
        ({"prompt": "a", "model": "gpt-image-9", "resolution": "9k"}, "unsupported_option", "4k"),
    ],
)
async def test_bad_input_is_refused_in_one_clear_sentence_before_anything_happens(
    connect: Connect, tmp_path: Path, arguments: dict[str, Any], reason: str, says: str
) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", arguments)
    told = error(result)
    assert told["reason"] == reason
    assert told["retryable"] is False
    assert told["retry_after"] is None
    assert told["hint"]
    assert says in text(result)
    assert len(result.content) == 1
    assert files_in(tmp_path) == []


async def test_a_vendors_refusal_reaches_the_model_with_what_programs_need(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    openai.next(emulated.trouble(429, "rate_limit_exceeded", "Slow down.", retry_after="120"))
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox"})
    told = error(result)
    facts = told.pop("facts")
    assert told | {"hint": ""} == {"reason": "rate_limited", "retryable": True, "retry_after": 120.0, "hint": ""}
    assert (facts["operation"], facts["model"], facts["status"]) == ("generate", "gpt-image-2.5-flare", 429)
    assert facts["url"].endswith("/v1/images/generations")
    assert (facts["content_type"], facts["code"]) == ("application/json", "rate_limit_exceeded")
    assert facts["size"] > 0
    assert "Slow down." in text(result)


async def test_a_host_that_fills_every_field_means_them_absent(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    filled = {
        "model": "",
        "size": "",
        "aspect_ratio": None,
        "quality": " ",
        "negative_prompt": "",
        "seed": None,
        "n": "1",
    }
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", **filled})
    assert not result.is_error
    assert openai.requests[-1].json == {"model": "gpt-image-2.5-flare", "prompt": "a fox"}


@pytest.mark.parametrize("prompt", ['{"scene": "a fox"}', "null", "[1, 2]", "true", "日本の庭 🌸", "a\u202eb"])
async def test_a_prompt_that_looks_like_json_or_is_not_latin_stays_as_it_is(
    connect: Connect, with_openai: Environ, openai: OpenAI, prompt: str
) -> None:
    async with connect() as client:
        assert not (await client.call_tool("generate_image", {"prompt": prompt})).is_error
    assert openai.requests[-1].json["prompt"] == prompt


async def test_an_unknown_tool_is_a_protocol_error(connect: Connect) -> None:
    async with connect() as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("draw_me_a_sheep", {})
    assert caught.value.error.code == -32602


async def test_a_crash_says_nothing_of_its_inside(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("the secret garden")

    monkeypatch.setattr("atelier.providers.pipeline.pipeline.Pipeline.prepare_job", crash)
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox"})
    assert error(result)["reason"] == "internal"
    assert "secret garden" not in result.model_dump_json()


async def test_a_folder_that_cannot_be_written_does_not_lose_the_picture(
    connect: Connect, environ: Environ, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox"})
    assert result.structured_content is not None
    assert Path(result.structured_content["images"][0]["path"]).is_relative_to(tmp_path / "state")
    assert "could not be written" in text(result)
    (tmp_path / "state2").write_text("this one neither")
    environ["ATELIER_STATE_DIR"] = str(tmp_path / "state2")
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox"})
    assert images(result)[0].mime_type == "image/png"
    assert "Not stored" in text(result)


async def test_a_paid_picture_is_stored_even_when_the_caller_has_gone(
    environ: Environ, with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    held = Held()
    openai.next(held)
    server = build_server(Settings.from_environ(environ), lambda: date(2026, 11, 21))
    async with Client(server) as client:
        await leave(lambda: client.call_tool("generate_image", {"prompt": "a fox"}), held.arrival)
        held.go.set()
        await eventually(lambda: [path for path in files_in(tmp_path / "out") if path.suffix == ".png"])
    assert len(openai.requests) == 1


async def test_a_picture_meant_to_be_handed_over_is_stored_when_nobody_is_there_to_take_it(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    held = Held()
    openai.next(held)
    async with Client(build_server(Settings.from_environ(with_openai), lambda: date(2026, 11, 21))) as client:
        asked = {"prompt": "a fox", "save": False}
        await leave(lambda: client.call_tool("generate_image", asked), held.arrival)
        await anyio.wait_all_tasks_blocked()  # until the server has heard of it
        held.go.set()
        await eventually(lambda: [path for path in files_in(tmp_path / "out") if path.suffix == ".png"])


async def test_a_call_cancelled_while_it_waits_for_its_turn_is_never_sent(with_openai: Environ, openai: OpenAI) -> None:
    with_openai["ATELIER_CONCURRENCY"] = "1"
    held, waiting = Held(), anyio.Event()
    openai.next(held)

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        if "Waiting" in (message or ""):
            waiting.set()

    async def owl() -> None:
        await client.call_tool("generate_image", {"prompt": "an owl"}, progress_callback=hear)

    server = build_server(Settings.from_environ(with_openai), lambda: date(2026, 11, 21))
    async with Client(server) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.call_tool, "generate_image", {"prompt": "a fox"})
        await held.arrival()
        await leave(owl, waiting.wait)
        await anyio.wait_all_tasks_blocked()  # until the server has heard of it
        held.go.set()
    assert [request.json["prompt"] for request in openai.requests] == ["a fox"]


async def test_a_picture_that_cannot_be_decoded_is_kept_and_said_to_be_damaged(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    good = png(8, 8)
    start = good.index(b"IDAT") + 4
    body = b"garbage!" + good[start + 8 : good.index(b"IEND") - 8]
    chunk = len(body).to_bytes(4) + b"IDAT" + body + zlib.crc32(b"IDAT" + body).to_bytes(4)
    bad = good[: start - 8] + chunk + good[good.index(b"IEND") - 4 :]
    openai.next(Answer(200, {"data": [{"b64_json": base64.b64encode(bad).decode()}]}))
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox"})
    assert "may be damaged" in text(result)
    assert [block.type for block in result.content] == ["text"]


@pytest.mark.parametrize(
    ("given", "by"),
    [({}, "sketch"), ({"fallback": []}, "sketch"), ({"fallback": ""}, "sketch"), ({"fallback": ["none"]}, None)],
)
async def test_a_call_can_do_without_the_fallback_of_the_settings(
    connect: Connect, with_openai: Environ, openai: OpenAI, impatient: None, given: dict[str, object], by: str | None
) -> None:
    with_openai["ATELIER_FALLBACK"] = "sketch"
    openai.next(*[emulated.BROKEN_SERVER] * 4)
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", "model": "openai", **given})
    facts: Any = error(result) if result.is_error else result.structured_content
    told = facts["reason"] if result.is_error else facts["provider"]
    assert told == (by or "provider_unavailable")


async def test_a_tool_added_in_the_ordinary_way_is_served_beside_ours(environ: Environ) -> None:
    server = build_server(Settings.from_environ(environ))
    server.add_tool(lambda: "pong", name="ping_tool", description="Answers.")
    async with Client(server) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == [
            *(tool.name for tool in TOOLS),
            "ping_tool",
        ]
        assert text(await client.call_tool("ping_tool", {})) == "pong"
