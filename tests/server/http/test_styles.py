"""Styles over HTTP: the operator's for every caller, and each caller's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError

from tests.server.http_process import SKETCH, Server, data_of, reason
from tests.server.mcp.test_server import text
from tests.tools.test_styles import write


def test_over_http_a_caller_has_the_shared_styles_and_its_own(server: Server) -> None:
    write(server.environ, "shared.md", "of the operator")
    own = Path(server.environ["ATELIER_OUTPUT_DIR"]) / "customers" / "styled" / "styles"
    own.mkdir(parents=True)
    (own / "own.md").write_text("of the caller", encoding="utf-8")
    (own / "shared.md").write_text("mine", encoding="utf-8")

    def prompt(caller: str, style: str) -> str:
        return data_of(server.draw({**SKETCH, "style": style}, caller))["images"][0]["prompt_used"]

    assert prompt("styled", "own").endswith("Style: of the caller")
    assert prompt("styled", "shared").endswith("Style: mine")
    assert prompt("unstyled", "shared").endswith("Style: of the operator")
    assert reason(server.draw({**SKETCH, "style": "own"}, "unstyled")) == "unsupported_option"
    repeated = [server.draw({**SKETCH, "style": "own"}, "styled", key="styles-1") for _ in range(2)]
    assert data_of(repeated[0])["images"][0]["id"] == data_of(repeated[1])["images"][0]["id"]
    (own / "own.md").write_text("changed", encoding="utf-8")
    assert "idempotency key" in server.draw({**SKETCH, "style": "own"}, "styled", key="styles-1").text


@pytest.mark.anyio
async def test_a_caller_saves_styles_among_its_own_and_is_not_told_where(server: Server) -> None:
    write(server.environ, "taken.md", "of the operator")
    async with server.mcp("saver") as client, server.mcp("bystander") as other:
        await client.call_tool("generate_image", SKETCH)
        saved = await client.call_tool("get_image", {"save_style": "mine"})
        taken = await client.call_tool("get_image", {"save_style": "taken"})
        listed = await client.call_tool("list_models", {"word": "styles"})
        others = await other.call_tool("list_models", {"word": "styles"})
        with pytest.raises(MCPError):
            await other.read_resource("atelier://styles/mine")
    assert "Saved as the style “mine”," in text(saved)
    assert "There is a style “taken”" in text(taken)
    assert server.environ["ATELIER_OUTPUT_DIR"] not in text(saved) + text(listed)
    assert "- mine: a fox" in text(listed)
    assert "mine" not in text(others)
    own = Path(server.environ["ATELIER_OUTPUT_DIR"]) / "customers" / "saver" / "styles" / "mine.md"
    assert own.read_text(encoding="utf-8").endswith("---\na fox\n")
    names = [style["name"] for style in data_of(server.get("/image/models?word=styles", "saver"))["styles"]]
    assert {"mine", "taken"} <= set(names)


def test_the_routes_of_openai_take_styles_too(server: Server) -> None:
    write(server.environ, "shared-too.md", "of the operator")
    with server.web("openai-caller") as web:
        body = {"model": "sketch", "prompt": "a fox", "size": "64x64", "style": "shared-too"}
        answer = web.post("/v1/images/generations", json=body)
    assert answer.status_code == 200, answer.text
    shown = data_of(server.get("/image/last", "openai-caller"))
    assert shown["prompt"].endswith("Style: of the operator")
