"""Rarer options as a host gives them: what reaches the vendor, what is told on the way, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.stability import Stability
from tests.conftest import Connect, Environ
from tests.exhaustive import exhaustive
from tests.server.cli.in_process import atelier
from tests.server.mcp.test_server import error, text

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("tool", ["generate_image", "edit_image"])
async def test_partial_pictures_can_be_asked_for_and_one_image_is_the_answer(
    connect: Connect, with_openai: Environ, openai: OpenAI, tool: str
) -> None:
    asked = {"prompt": "a fox", "model": "openai", "options": ["partial_images=3"]}
    async with connect() as client:
        if tool == "edit_image":
            await client.call_tool("generate_image", {"prompt": "a fox", "model": "sketch", "size": "64x64"})
            asked["image"] = "last"
        result = await client.call_tool(tool, asked)
    assert not result.is_error, text(result)
    body = openai.requests[-1].body.replace(b" ", b"")
    assert (b'"partial_images":3' in body) if tool == "generate_image" else (b'name="partial_images"' in body)
    assert result.structured_content is not None
    assert len(result.structured_content["images"]) == 1


async def test_no_partial_picture_is_a_stream_as_well(connect: Connect, with_openai: Environ, openai: OpenAI) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", "options": ["partial_images=0"]})
    assert not result.is_error, text(result)
    assert openai.requests[-1].json["stream"] is True


async def test_geminis_thinking_level_can_be_asked_for(connect: Connect, with_gemini: Environ, gemini: Gemini) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", "options": '["thinking_level=high"]'})
    assert not result.is_error, text(result)
    assert gemini.requests[-1].json["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "HIGH"}


async def test_an_edit_takes_options_beside_its_own_parameters(
    connect: Connect, with_stability: Environ, stability: Stability
) -> None:
    async with connect() as client:
        await client.call_tool("generate_image", {"prompt": "a fox", "model": "sketch", "size": "100x80"})
        arguments = {"image": "last", "operation": "outpaint", "left": 20, "options": "creativity=0.25"}
        result = await client.call_tool("edit_image", arguments)
    assert not result.is_error, text(result)
    assert stability.form.fields == {"left": "20", "creativity": "0.25"}


@pytest.mark.parametrize(
    ("arguments", "reason", "says"),
    [
        ({"options": ["size=1024x1024"]}, "invalid_request", "give it as size"),
        ({"options": ["search=a hat"]}, "invalid_request", "a parameter of edit_image"),
        ({"options": ["partial_images"]}, "invalid_request", "name=value"),
        ({"options": ["partial_images=4"]}, "unsupported_option", "0 to 3"),
        ({"options": ["partial_images=1.5"]}, "unsupported_option", "0 to 3"),
        ({"options": ["moderation=none"]}, "unsupported_option", "auto or low"),
        ({"options": ["thinking_level=high"]}, "unsupported_option", "gemini-nano-banana-2.1"),
        ({"options": ["width=512"]}, "unsupported_option", "Give it as size"),
        ({"options": ["width=512"], "model": "gpt-image-9"}, "unsupported_option", "Give it as size"),
        (
            {"options": ["webhook_url=https://x.example"], "model": "gpt-image-9"},
            "unsupported_option",
            "that name a location",
        ),
        ({"options": ["steps=90"], "model": "flux-dev"}, "unsupported_option", "1 to 50"),
        ({"options": ["steps=90"], "model": "sketch"}, "unsupported_option", "steps"),
    ],
)
async def test_what_a_model_does_not_take_is_refused_before_anything_is_sent(
    connect: Connect, with_openai: Environ, openai: OpenAI, arguments: dict[str, Any], reason: str, says: str
) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {"prompt": "a fox", **arguments})
    assert error(result)["reason"] == reason
    assert says in text(result)
    assert openai.requests == []


@exhaustive
def test_the_command_line_takes_them_too(with_flux: Environ, flux: Flux) -> None:
    options = ("--options", "steps=20", "guidance=4.5", "--options", "safety_tolerance=0")
    done = atelier(with_flux, "generate", "a fox", "--model", "flux-dev", *options)
    assert done.returncode == 0, done.stderr
    (sent,) = [request.json for request in flux.requests if request.method == "POST"]
    assert (sent["steps"], sent["guidance"], sent["safety_tolerance"]) == (20, 4.5, 0)
    again = atelier(with_flux, "generate", "a fox", "--model", "flux-dev", "--options", "steps=51")
    assert again.returncode == 1
    assert "1 to 50" in again.stderr
