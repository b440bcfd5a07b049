"""Prompts and the completion of their arguments, in both protocol versions, over stdio and HTTP."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, PromptReference, ResourceTemplateReference, TextContent

from atelier.providers.core.types import Operation
from atelier.server.mcp.guidance.prompt import Prompt
from atelier.server.mcp.guidance.prompts import PROMPTS
from atelier.tools import TOOLS
from tests.conftest import Connect, Environ
from tests.exhaustive import exhaustive
from tests.server.http_process import Server
from tests.server.process import like_a_host

pytestmark = pytest.mark.anyio

NAMES = ["art_direct", "product_shot", "edit_plan", "compare_models", "brand_board"]
VALUES = {"count": "3", "models": "openai, sketch"}


def given(prompt: Prompt, *, every: bool = True) -> dict[str, str]:
    """An argument of each kind."""
    return {each.name: VALUES.get(each.name, f"my {each.name}") for each in prompt.arguments if every or each.required}


async def said(client: Client, name: str, arguments: dict[str, str]) -> str:
    (message,) = (await client.get_prompt(name, arguments)).messages
    assert isinstance(message.content, TextContent)
    return message.content.text


async def test_each_prompt_is_listed_and_has_its_arguments_in_its_text(connect: Connect) -> None:
    async with connect() as client:
        listed = (await client.list_prompts()).prompts
        texts = {prompt.name: await said(client, prompt.name, given(prompt)) for prompt in PROMPTS}
    assert [prompt.name for prompt in listed] == NAMES
    assert all(prompt.title and 0 < len(prompt.description or "") < 100 for prompt in listed)
    assert all(0 < len(each.description or "") < 80 for prompt in listed for each in prompt.arguments or [])
    for prompt in PROMPTS:
        for argument in prompt.arguments:
            value = '["openai", "sketch"]' if argument.kind == "models" else given(prompt)[argument.name]
            assert value in texts[prompt.name], f"{prompt.name}.{argument.name}"


def test_the_documentation_has_each_prompt_with_its_arguments() -> None:
    page = (Path(__file__).parents[3] / "docs/tools.md").read_text(encoding="utf-8")
    for prompt in PROMPTS:
        arguments = ", ".join(f"`{each.name}`" for each in prompt.arguments)
        assert re.search(rf"^\| `{prompt.name}` \| [^|]+ \| {re.escape(arguments)} \|$", page, re.MULTILINE), (
            prompt.name
        )


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.name)
@pytest.mark.parametrize("every", [True, False])
def test_a_text_leads_to_tools_and_parameters_that_exist(prompt: Prompt, every: bool) -> None:
    (message,) = prompt.rendered(given(prompt, every=every)).messages
    assert isinstance(message.content, TextContent)
    text = message.content.text
    tools = {tool.name: tool.parameters.model_fields for tool in TOOLS}
    parameters = {name for fields in tools.values() for name in fields}
    known = {*tools, *parameters, *(str(operation) for operation in Operation)}
    assert set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text)) <= known
    assert set(re.findall(r"\b([a-z_]+)=", text)) <= parameters
    assert "n=1" in text
    assert text.index("estimate_cost") < min(
        text.index(word) for word in ("Call edit_image", "with edit_image", "generate_image") if word in text
    )
    steps = [int(number) for number in re.findall(r"^(\d+)\. ", text, re.MULTILINE)]
    assert steps == list(range(1, len(text.splitlines()) - 1))
    assert "  " not in text


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("nope", {}, "There is no prompt nope"),
        ("art_direct", {}, "brief of art_direct is missing"),
        ("art_direct", {"brief": " "}, "is missing"),
        ("art_direct", {"brief": "x", "colour": "red"}, "no argument colour"),
        ("product_shot", {"product": "x", "image": "last", "count": "many"}, "a number from 1 to 10"),
        ("art_direct", {"brief": "x" * 8_001}, "longer than"),
    ],
)
async def test_wrong_arguments_are_refused_by_name(
    connect: Connect, name: str, arguments: dict[str, str], why: str
) -> None:
    async with connect() as client:
        with pytest.raises(MCPError, match=why) as refused:
            await client.get_prompt(name, arguments)
    assert refused.value.error.code == INVALID_PARAMS


async def completions(client: Client, prompt: str, name: str, value: str, **others: str) -> list[str]:
    reference = PromptReference(name=prompt)
    found = await client.complete(reference, {"name": name, "value": value}, context_arguments=others or None)
    return found.completion.values


async def test_arguments_are_completed_by_what_they_hold(connect: Connect, environ: Environ) -> None:
    environ["STABILITY_API_KEY"] = "sk-none"
    styles = Path(environ["ATELIER_OUTPUT_DIR"]) / "styles"
    styles.mkdir(parents=True)
    (styles / "noir.md").write_text("dark", encoding="utf-8")
    async with connect() as client:
        made = await client.call_tool("generate_image", {"prompt": "x", "model": "sketch", "size": "64x64"})
        models = await completions(client, "art_direct", "model", "stable-image-u")
        every = await completions(client, "art_direct", "model", "")
        vendor = await completions(client, "art_direct", "model", "stabil")
        several = await completions(client, "compare_models", "models", "sketch, stable-image-core")
        style = await completions(client, "art_direct", "style", "n", model="stable-image-core")
        ratios = await completions(client, "art_direct", "aspect_ratio", "21", model="stable-image-core")
        sizes = await completions(client, "compare_models", "size", "1024")
        images = await completions(client, "edit_plan", "image", "img_")
        nothing = await completions(client, "art_direct", "brief", "a")
        template = ResourceTemplateReference(uri="atelier://styles/{name}")
        names = (await client.complete(template, {"name": "name", "value": "no"})).completion.values
    assert models[0] == "stable-image-ultra"
    assert every.count("sketch") == 1
    assert vendor[0] == "stability"
    assert not any(name.startswith("gpt") for name in every)
    assert several == ["sketch, stable-image-core"]
    assert style[0] == "noir"
    assert "anime" in style
    assert ratios == ["21:9", "9:21"]
    assert sizes[:2] == ["1024x1024", "1024x1536"]
    assert images == [dict[str, Any](made.structured_content or {})["images"][0]["id"]]
    assert (nothing, names) == ([], ["noir"])


@exhaustive
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_process_serves_them_over_stdio(environ: Environ, mode: Any) -> None:
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "atelier.server", "serve"], env=like_a_host(environ)
    )
    declared = list[Any]()
    for _ in range(2):  # the second start answers `initialize` from its record
        async with Client(parameters, mode=mode) as client:
            assert [prompt.name for prompt in (await client.list_prompts()).prompts] == NAMES
            assert await completions(client, "art_direct", "model", "ske") == ["sketch"]
            declared.append(client.server_capabilities)
    assert declared[0] == declared[1]
    assert declared[0].prompts is not None
    assert declared[0].completions is not None


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_over_http_a_caller_is_offered_its_own_styles(server: Server, mode: Any) -> None:
    own = Path(server.environ["ATELIER_OUTPUT_DIR"]) / "customers" / f"prompted-{mode}" / "styles"
    own.mkdir(parents=True)
    (own / "my-own.md").write_text("x", encoding="utf-8")
    async with server.mcp(f"prompted-{mode}", mode) as client, server.mcp("another", mode) as other:
        assert "“my" not in await said(client, "art_direct", {"brief": "a fox"})
        assert await completions(client, "brand_board", "style", "my-o") == ["my-own"]
        assert await completions(other, "brand_board", "style", "my-o") == []
