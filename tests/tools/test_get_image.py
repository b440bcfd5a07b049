"""get_image: one that was made, the newest, or what came of a job; in both protocol versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.types import CallToolResult

from atelier.providers.core.tracing import new_id
from atelier.providers.images.identify import picture
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Slow
from atelier.server.composition import storage_of
from atelier.server.settings import Settings
from tests.conftest import Connect, Environ, png
from tests.server.mcp.test_server import error, images, text

pytestmark = pytest.mark.anyio

SKETCH = {"model": "sketch", "size": "64x64", "seed": 7}
FOX = {"prompt": "a fox", "model": "gpt-image-2.5-flare", "size": "1024x1024", "quality": "low"}


async def draw(client: Client, prompt: str, **more: Any) -> dict[str, Any]:
    result = await client.call_tool("generate_image", {"prompt": prompt, **SKETCH, **more})
    return dict(result.structured_content or {})


async def shown(client: Client, **asked: Any) -> tuple[CallToolResult, dict[str, Any]]:
    result = await client.call_tool("get_image", asked)
    assert not result.is_error, text(result)
    return result, dict(result.structured_content or {})


async def kept(environ: Environ, count: int) -> list[str]:
    """As many pictures with long prompts and parents; their ids, oldest first."""
    storage, parent = storage_of(Settings.from_environ(environ)), new_id("img")
    ids = [new_id("img") for _ in range(count)]
    for number, id in enumerate(ids):
        told = {
            "prompt": f"{number} a “fox” in the snow 日本 " * 40,
            "provider": "openai",
            "model": "gpt-image-2.5-flare",
        }
        more = {"created_at": "2026-11-21T09:00:00Z", "actual_usd": 0.0531, "parent": parent}
        await storage.put(id, picture(png(8, 8)), {"id": id, **told, **more})
    return sorted(ids)


@pytest.mark.parametrize("word", ["id", "quoted id", "uri", "path", "in words", "last", "Last", "nothing"])
async def test_a_picture_is_shown_with_how_it_came_to_be(connect: Connect, word: str) -> None:
    async with connect() as client:
        made = (await draw(client, "a fox in the snow"))["images"][0]
        words = {
            "id": made["id"],
            "quoted id": f"`{made['id']}`",
            "uri": f"image://assets/{made['id']}",
            "path": made["path"],
            "in words": f"Asset id: {made['id']}",
            "last": "last",
            "Last": "Last",
        }
        result, told = await shown(client, **({"id": words[word]} if word in words else {}))
    assert told["images"][0] == made
    assert (told["prompt"], told["model"], told["seed"]) == ("a fox in the snow", "sketch", 7)
    assert (told["actual_usd"], told["operation"]) == (0, "generate")
    assert Path(told["images"][0]["path"]).is_file()
    assert made["path"] in text(result)
    assert "“a fox in the snow”" in text(result)
    assert [block.mime_type for block in images(result)] == ["image/jpeg"]
    assert len(json.dumps(told)) < 2_000


async def test_the_last_picture_is_not_the_copy_that_was_delivered(connect: Connect) -> None:
    async with connect() as client:
        made = (await draw(client, "a fox", deliver_size="32x32"))["images"][0]
        assert made["delivered"]["id"] != made["id"]
        _, told = await shown(client)
        edited = await client.call_tool("edit_image", {"image": "last", "prompt": "red", "model": "sketch"})
        _, after = await shown(client, id=dict[str, Any](edited.structured_content or {})["images"][0]["id"])
    assert told["images"][0]["id"] == made["id"]
    assert after["parent"] == made["id"]


async def test_the_newest_are_listed_page_by_page(connect: Connect) -> None:
    async with connect() as client:
        ids = [(await draw(client, f"fox {number}"))["images"][0]["id"] for number in range(5)]
        result, first = await shown(client, list=True, limit=3)
        _, second = await shown(client, list=True, limit=3, before=first["pictures"][-1]["id"])
    assert [each["id"] for each in first["pictures"] + second["pictures"]] == ids[::-1]
    assert first["pictures"][0]["prompt"] == "fox 4"
    assert first["pictures"][0]["model"] == "sketch/sketch"
    assert f"before={ids[2]}" in text(result)
    assert images(result) == []


@pytest.mark.parametrize(("count", "all_fit"), [(10, True), (30, True), (50, False)])
async def test_a_list_is_within_the_limits_and_goes_on_where_it_ended(
    connect: Connect, environ: Environ, count: int, all_fit: bool
) -> None:
    ids = await kept(environ, count)
    seen, pages = list[str](), 0
    async with connect() as client:
        asked: dict[str, Any] = {"list": True, "limit": count}
        while len(seen) < count:
            result, told = await shown(client, **asked)
            assert len(json.dumps(told, ensure_ascii=False).encode()) <= 6_000
            assert len(text(result).encode()) <= 6_000
            assert all(row["prompt"] and row["model"] and row["parent"] for row in told["pictures"]), told["pictures"]
            seen += [row["id"] for row in told["pictures"]]
            pages += 1
            asked = {"before": seen[-1], "limit": count}
            assert (f"before={seen[-1]}" in told["summary"]) is (len(seen) < count)
    assert seen == ids[::-1]
    assert (pages == 1) is all_fit


async def test_what_hosts_fill_in_is_left_out_and_a_page_needs_an_id(connect: Connect) -> None:
    async with connect() as client:
        made = (await draw(client, "a fox"))["images"][0]
        _, told = await shown(client, id="", list="", limit="", before="")
        wrong = await client.call_tool("get_image", {"list": True, "before": "fox"})
        most = await client.call_tool("get_image", {"list": True, "limit": 51})
    assert told["images"][0]["id"] == made["id"]
    assert error(wrong)["reason"] == error(most)["reason"] == "invalid_request"
    assert "50" in text(most)


async def test_a_picture_that_waits_for_its_storage_says_so(connect: Connect, environ: Environ, tmp_path: Path) -> None:
    (tmp_path / "full").write_text("a file where the folder should be")
    environ["ATELIER_OUTPUT_DIR"] = str(tmp_path / "full" / "pictures")
    async with connect() as client:
        made = (await draw(client, "a fox"))["images"][0]
        result, told = await shown(client)
    assert told["images"][0]["path"] == made["path"]
    assert "atelier flush" in told["warnings"][0]
    assert told["warnings"][0] in text(result)


async def test_a_job_that_runs_is_waited_for_and_collected(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    with_openai["ATELIER_WAIT_SECONDS"] = "0.2"
    openai.next(Slow(0.7))
    async with connect() as client:
        ticket = dict[str, Any]((await client.call_tool("generate_image", FOX)).structured_content or {})
        assert (ticket["status"], ticket["images"]) == ("running", [])
        result, told = await shown(client, id=ticket["job"])
        while told["status"] == "running":
            result, told = await shown(client, id=ticket["job"])
        again, _ = await shown(client, id=ticket["job"])
        anew = await client.call_tool("generate_image", FOX)
    assert (told["provider"], len(told["images"])) == ("openai", 1)
    assert [block.mime_type for block in images(result)] == ["image/jpeg"]
    assert text(again) == text(result)
    assert not anew.is_error
    assert len(openai.requests) == 2  # what was collected is delivered, so that the same call buys anew


@pytest.mark.parametrize("id", ["img_00000000000000000000000000", "job_00000000000000000000000000", "fox", "last"])
async def test_what_is_not_there_is_told_with_where_to_look(connect: Connect, id: str) -> None:
    async with connect() as client:
        result = await client.call_tool("get_image", {"id": id})
    assert error(result)["reason"] == "not_found"
    assert ("the same call again" if id.startswith("job_") else "list") in text(result)
