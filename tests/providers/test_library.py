"""The library: options, sources, a program's own transport, forms of the result, and answers to other agents' tools."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from pydantic import TypeAdapter

from atelier.providers import (
    ImageError,
    ImageInput,
    ImageResult,
    ImageService,
    Reason,
    edit,
    estimate,
    generate,
    generate_sync,
    prepare,
    upscale,
    vary,
)
from atelier.providers.images.identify import picture
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.stability import Stability
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.server import Answer, Slow
from tests.conftest import Environ, png

pytestmark = pytest.mark.anyio

FOX = png(64, 64, "orange")


@pytest.fixture
async def fox() -> ImageResult:
    return await generate("a fox", size="64x64")


async def test_format_and_options_are_those_of_the_contract(with_openai: Environ, openai: OpenAI) -> None:
    result = await generate(
        " a fox ", size="1024x1024", format="jpeg", model="openai", options=None, environ=with_openai
    )
    assert openai.requests[0].json["output_format"] == "jpeg"
    assert (result.format, result.prompt_used, result.model) == ("jpeg", "a fox", "gpt-image-2.5-flare")
    assert result.usage
    assert result.image_bytes == result.images[0].image_bytes


async def test_an_option_of_the_vendor_reaches_it(with_openai: Environ, openai: OpenAI) -> None:
    await generate("a fox", model="openai", options={"moderation": "low"}, environ=with_openai)
    assert openai.requests[0].json["moderation"] == "low"


@pytest.mark.parametrize("kind", ["bytes", "path", "data URI", "picture", "result", "image"])
async def test_a_source_is_named_in_every_way(kind: str, fox: ImageResult, tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_bytes(FOX)
    named: dict[str, ImageInput] = {
        "bytes": FOX,
        "path": tmp_path / "fox.png",
        "data URI": f"data:image/png;base64,{fox.images[0].base64}",
        "picture": picture(FOX),
        "result": fox,
        "image": fox.images[0],
    }
    assert (await edit(named[kind], "in the snow")).images


async def test_a_text_names_no_file_and_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_bytes(FOX)
    for named in (str(tmp_path / "fox.png"), tmp_path / "no.png"):
        with pytest.raises(ImageError):
            await edit(named, "in the snow")


async def test_a_mask_means_inpaint_and_other_operations_go_by_name(with_stability: Environ, openai: OpenAI) -> None:
    environ = {**with_stability, "OPENAI_API_KEY": openai.key, "OPENAI_BASE_URL": openai.url}
    masked = await prepare("snow", image=FOX, mask=png(64, 64, "white", "L"), model="openai", environ=environ)
    assert b'name="mask"' in masked.read()
    cut = await prepare(image=FOX, operation="remove_background", model="stability", environ=environ)
    assert cut.url.path.endswith("remove-background")
    with pytest.raises(ImageError):
        await prepare("a fox", operation="no such", environ=environ)


async def test_variations_and_upscaling(with_openai: Environ, openai: OpenAI, with_stability: Environ) -> None:
    openai.older = True
    assert (await vary(png(256, 256), model="dall-e-2", size="256x256", environ=with_openai)).images
    assert (await upscale(png(64, 64), environ=with_stability)).provider == "stability"


async def test_a_variation_drops_prompt_and_mask_with_a_warning(with_openai: Environ, openai: OpenAI) -> None:
    openai.older = True
    options: dict[str, Any] = {"model": "dall-e-2", "size": "256x256", "operation": "variation"}
    result = await edit(png(256, 256), "a hat", mask=png(256, 256), environ=with_openai, **options)
    assert result.images
    assert any("The prompt and the mask were not sent: dall-e-2" in warning for warning in result.warnings)
    (sent,) = openai.requests
    assert sent.path.endswith("/images/variations")
    assert not any(field in sent.body for field in (b'name="prompt"', b'name="mask"'))


async def test_an_estimate_is_json_and_nothing_is_sent(with_openai: Environ, openai: OpenAI) -> None:
    price = await estimate("a fox", model="openai", quality="low", size="1024x1024", environ=with_openai)
    assert price is not None
    assert json.loads(json.dumps(price.as_dict()))["total_usd"] == float(price.total_usd)
    assert openai.requests == []


def test_a_sync_twin_refuses_to_run_in_an_event_loop() -> None:
    async def inside() -> None:
        generate_sync("a fox")

    assert generate_sync.__doc__ == generate.__doc__
    with pytest.raises(RuntimeError):
        asyncio.run(inside())


async def test_the_callers_id_is_beside_the_vendors_in_results_and_errors(with_openai: Environ, openai: OpenAI) -> None:
    result = await generate("a fox", model="openai", request_id="mine-1", environ=with_openai)
    assert (result.request_id, result.vendor_request_ids) == ("mine-1", ["req_emulated_1"])
    openai.next(Answer(400, {"error": {"message": "No."}}, {"x-request-id": "req-7"}))
    with pytest.raises(ImageError) as caught:
        await generate("a fox", model="openai", request_id="mine-2", environ=with_openai)
    assert (caught.value.facts["caller_request_id"], caught.value.facts["request_id"]) == ("mine-2", "req-7")


async def test_a_call_has_a_timeout_of_its_own(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(Slow(60))
    began = time.monotonic()
    async with ImageService.from_environ(with_openai) as service:
        with pytest.raises(ImageError) as caught:
            await service.generate("a fox", model="openai", timeout=0.3)
        assert (await service.generate("a hen", model="openai")).images
    assert caught.value.reason is Reason.TIMEOUT
    assert time.monotonic() - began < 30


async def test_links_are_the_vendors_and_absolute(with_xai: Environ, xai: XAI, with_flux: Environ, flux: Flux) -> None:
    for model, host in (("xai", xai.root), ("flux", "")):
        result = await generate("a fox", model=model, response_format="url", environ={**with_xai, **with_flux})
        (link,) = result.contents
        assert isinstance(link, str)
        assert link.startswith(host or "http://")
        assert httpx2.get(link, follow_redirects=True).content == result.image_bytes
        assert "base64" not in result.as_dict()["images"][0]
    assert xai.requests[0].json["response_format"] == "url"


async def test_an_older_model_answers_with_links_or_base64_as_asked(with_openai: Environ, openai: OpenAI) -> None:
    openai.older = True
    linked = await generate("a fox", model="dall-e-2", response_format="url", environ=with_openai)
    (link,) = linked.contents
    assert str(link).startswith(openai.url)
    inline = await generate("a fox", model="dall-e-2", response_format="base64", environ=with_openai)
    assert inline.contents == [inline.images[0].base64]
    assert [request.json["response_format"] for request in openai.requests if request.method == "POST"] == [
        "url",
        "b64_json",
    ]


@pytest.mark.parametrize("model", ["gpt-image-2", "gemini", "stability", "sketch"])
async def test_a_model_that_gives_no_links_refuses_before_anything_is_sent(model: str) -> None:
    with pytest.raises(ImageError) as caught:
        await generate("a fox", model=model, response_format="url", environ={})
    assert (caught.value.reason, caught.value.facts["option"]) == (Reason.UNSUPPORTED_OPTION, "response_format")
    assert "grok-imagine-image-2.0" in caught.value.facts["models"]


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_a_programs_own_client_sends_and_stays_open(
    library: Any, with_xai: Environ, xai: XAI, with_flux: Environ, flux: Flux
) -> None:
    environ = {**with_xai, **with_flux}
    seen = list[str]()

    async def note(request: Any) -> None:
        seen.append(request.url.path)

    async with library.AsyncClient(event_hooks={"request": [note]}) as client:
        for model in ("xai", "flux"):
            assert (await generate("a fox", model=model, transport=client, environ=environ)).images
        assert not client.is_closed
        xai.next(*[Answer(429, {"error": "Slow down."}, {"retry-after": "0"})])
        assert (await generate("a hen", model="xai", transport=client, environ=environ)).images
    assert seen.count("/v1/images/generations") == 3
    assert any(path.startswith("/results/") for path in seen)  # a download


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_an_error_of_the_programs_client_is_ours(library: Any) -> None:
    environ = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    async with library.AsyncClient() as client:
        with pytest.raises(ImageError) as caught:
            await generate("a fox", model="openai", transport=client, environ=environ)
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.NETWORK_ERROR, False)


async def test_a_transport_is_used_for_links_without_a_look_up_and_private_addresses_stay_closed() -> None:
    asked = list[str]()

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        link = "http://169.254.169.254/x" if b"a thief" in request.read() else "https://cdn.invalid/fox.png"
        if request.method == "GET":
            return httpx2.Response(200, content=FOX)
        return httpx2.Response(200, json={"data": [{"url": link.replace("http:", "https:")}]})

    environ = {"XAI_API_KEY": "xai-key"}
    result = await generate("a fox", model="xai", transport=httpx2.MockTransport(answer), environ=environ)
    assert (result.image_bytes, asked) == (FOX, ["api.x.ai", "cdn.invalid"])
    with pytest.raises(ImageError):
        await generate("a thief", model="xai", transport=answer, environ=environ)
    assert "169.254.169.254" not in asked


async def test_a_result_is_json(fox: ImageResult) -> None:
    facts = json.loads(json.dumps(fox.as_dict()))
    assert facts["images"][0]["base64"] == fox.images[0].base64
    assert (facts["provider"], facts["images"][0]["width"]) == ("sketch", 64)


async def test_a_tool_result_is_what_each_agents_own_types_take(fox: ImageResult) -> None:
    import anthropic.types  # slow to import, and every worker imports this module
    import openai.types.responses
    from langchain_core.messages import ToolMessage

    refusal = ImageError(Reason.INVALID_REQUEST, "The prompt is empty.", hint="Describe the image.")
    for answer, failed in ((fox, False), (refusal, True)):
        block = answer.as_tool_result("anthropic", "toolu_1")
        TypeAdapter(anthropic.types.ToolResultBlockParam).validate_python(block, strict=True)
        assert block["is_error"] is failed
        item = answer.as_tool_result("openai", "call_1")
        TypeAdapter(openai.types.responses.response_input_param.FunctionCallOutput).validate_python(item)
        message = ToolMessage(**answer.as_tool_result("langchain", "call_1"))
        assert message.status == ("error" if failed else "success")
        kinds = [[each["type"] for each in message.content_blocks], [each["type"] for each in block["content"]]]
        assert kinds == [["text"] if failed else ["text", "image"]] * 2
        chat = answer.as_tool_result("openai_chat", "call_1")
        assert (chat["role"], chat["tool_call_id"]) == ("tool", "call_1")
        assert json.loads(chat["content"])
    assert "base64" not in json.loads(fox.as_tool_result("openai_chat", "call_1")["content"])["images"][0]


async def test_no_budget_of_a_day_is_passed_by_a_service_without_a_ledger(
    with_openai: Environ, openai: OpenAI, stability: Stability
) -> None:
    for unpriced in ("", "true"):
        environ = {**with_openai, "ATELIER_BUDGET_PER_DAY": "5", "ATELIER_ALLOW_UNPRICED": unpriced}
        async with ImageService.from_environ(environ) as service:
            for model in ("openai", "gpt-image-9"):
                with pytest.raises(ImageError) as caught:
                    await service.generate("a fox", model=model)
                assert caught.value.reason is Reason.BUDGET_EXCEEDED
            assert (await service.generate("a fox", model="sketch")).images
    assert openai.requests == []
