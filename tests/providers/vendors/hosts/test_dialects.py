"""What is special to each dialect: its URLs and fields, what it refuses, and the cost that its answers state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.jobs.service import ImageService
from atelier.providers.testing.emulators import litellm as proxied
from atelier.providers.testing.emulators.azure import TOKEN, Azure
from atelier.providers.testing.emulators.litellm import LiteLLM
from atelier.providers.testing.emulators.openrouter import MODERATED, OpenRouter
from atelier.providers.testing.emulators.together import Together
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Answer, Emulator
from atelier.server.cli.making.models_check import differences, published
from atelier.server.composition import catalog_of
from atelier.server.settings import Settings
from tests.conftest import Environ, png

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("name", "host", "model"),
    [
        ("litellm", LiteLLM, "draw"),
        ("azure", Azure, "fast"),
        ("together", Together, "black-forest-labs/FLUX.2-dev"),
        ("openrouter", OpenRouter, "microsoft/mai-image-2.6"),
    ],
)
async def test_an_emulator_gives_the_environment_of_its_host(name: str, host: type[Emulator], model: str) -> None:
    for emulator in served(host()):  # pyright: ignore[reportCallIssue] - each has a default key
        async with ImageService.from_environ(emulator.environ_for(name)) as service:
            assert (await service.generate("a fox", model=f"{name}/{model}")).provider == name


def with_host(environ: Environ, host: Emulator, name: str, **entry: Any) -> Environ:
    """Return the environment with an entry for the host at its emulator."""
    entries = [{"name": name, "url": host.url, "key": "HOST_KEY", **entry}]
    return environ | {"ATELIER_HOSTS": json.dumps(entries), "HOST_KEY": getattr(host, "key", "")}


async def refused(environ: Environ, **asked: Any) -> ImageError:
    async with ImageService.from_environ(environ) as service:
        with pytest.raises(ImageError) as caught:
            await (
                service.edit(asked.pop("image"), "a hat", **asked) if "image" in asked else service.generate(**asked)
            )
    return caught.value


@pytest.fixture
def litellm() -> Iterator[LiteLLM]:
    yield from served(LiteLLM())


@pytest.fixture
def azure() -> Iterator[Azure]:
    yield from served(Azure())


@pytest.fixture
def together() -> Iterator[Together]:
    yield from served(Together())


@pytest.fixture
def openrouter() -> Iterator[OpenRouter]:
    yield from served(OpenRouter())


async def test_a_proxys_cost_header_is_the_bill_and_without_it_the_stated_price(
    environ: Environ, litellm: LiteLLM
) -> None:
    models = [{"id": "draw", "usd": "0.07"}]
    async with ImageService.from_environ(with_host(environ, litellm, "proxy", models=models)) as service:
        told = await service.generate("a fox", model="proxy")
        litellm.prices = False
        priced = await service.generate("a fox", model="proxy")
        unpriced = await service.generate("a fox", model="proxy/draw-new")
    assert told.actual_usd == litellm.billed[0].usd
    assert (priced.actual_usd, unpriced.actual_usd) == (Decimal("0.07"), None)
    assert [request.json["model"] for request in litellm.requests] == ["draw", "draw", "draw-new"]


@pytest.mark.parametrize("cost", ["0", "0.0", "None", "nan", "-1", "1e9"])
async def test_a_cost_that_is_no_price_is_not_believed(environ: Environ, litellm: LiteLLM, cost: str) -> None:
    image = {"b64_json": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="}
    litellm.next(Answer(200, {"data": [image]}, {"x-litellm-response-cost": cost}))
    async with ImageService.from_environ(with_host(environ, litellm, "proxy")) as service:
        assert (await service.generate("a fox", model="proxy/draw")).actual_usd is None


async def test_an_answer_that_the_proxy_lost_may_be_billed_and_is_not_asked_for_again(
    environ: Environ, litellm: LiteLLM
) -> None:
    litellm.next(proxied.trouble(500, "litellm.APIConnectionError: OpenAIException - Server disconnected"))
    error = await refused(with_host(environ, litellm, "proxy"), prompt="a fox", model="proxy/draw")
    assert error.facts["outcome"] == "unknown"
    assert len(litellm.requests) == 1


async def test_messages_name_the_host_and_its_variable(environ: Environ, litellm: LiteLLM) -> None:
    settings = with_host(environ, litellm, "proxy", title="Our proxy")
    wrong = await refused({**settings, "HOST_KEY": "wrong-key"}, prompt="a fox", model="proxy/draw")
    assert wrong.reason is Reason.AUTHENTICATION
    assert wrong.message.startswith("Our proxy answered 401")
    assert "HOST_KEY" in wrong.hint
    unset = await refused({**settings, "HOST_KEY": ""}, prompt="a fox", model="proxy/draw")
    assert "HOST_KEY" in unset.hint
    litellm.next(proxied.NO_BUDGET)
    assert (await refused(settings, prompt="a fox", model="proxy/draw")).reason is Reason.QUOTA_EXCEEDED
    assert "OpenAI" not in f"{wrong.message} {wrong.hint} {unset.message} {unset.hint}"


async def test_a_404_is_of_the_model_where_the_host_says_so_and_else_of_the_address(
    environ: Environ, azure: Azure
) -> None:
    wrong = await refused(with_host(environ, azure, "azure"), prompt="a fox", model="azure/no-such-deployment")
    assert (wrong.reason, "may not serve this model" in wrong.hint) == (Reason.UNKNOWN_MODEL, True)
    settings = with_host(environ, azure, "azure", url=f"{azure.url}/elsewhere")
    elsewhere = await refused(settings, prompt="a fox", model="azure/painter")
    assert "The request went to" in elsewhere.hint


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({}, "/openai/v1/images/generations"),
        ({"api_version": "2025-04-01-preview"}, "/openai/deployments/painter/images/generations"),
    ],
)
@pytest.mark.parametrize("ending", ["", "/", "/openai", "/openai/v1"])
async def test_a_deployment_is_reached_by_the_v1_path_or_by_its_url(
    environ: Environ, azure: Azure, entry: dict[str, str], path: str, ending: str
) -> None:
    settings = with_host(environ, azure, "azure", **entry, url=f"{azure.url}{ending}")
    async with ImageService.from_environ(settings) as service:
        await service.generate("a fox", model="azure/painter", quality="low")
    assert [request.path for request in azure.requests] == [path]
    assert "authorization" not in azure.requests[0].headers


async def test_edits_of_a_deployment_are_forms_at_its_url(environ: Environ, azure: Azure) -> None:
    settings = with_host(environ, azure, "azure", api_version="2025-04-01-preview")
    async with ImageService.from_environ(settings) as service:
        await service.edit(png(64, 64), "a hat", model="azure/fast")
    assert azure.requests[0].path == "/openai/deployments/fast/images/edits"


async def test_an_entra_token_is_read_from_its_file_at_each_call(
    environ: Environ, azure: Azure, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("an-old-token")
    settings = with_host(environ, azure, "azure", token="ENTRA_TOKEN") | {"ENTRA_TOKEN_FILE": str(file)}
    async with ImageService.from_environ(settings) as service:
        with pytest.raises(ImageError) as caught:
            await service.generate("a fox", model="azure/painter")
        assert caught.value.reason is Reason.AUTHENTICATION
        file.write_text(TOKEN)
        await service.generate("a fox", model="azure/painter", quality="low")
    assert azure.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert "api-key" not in azure.requests[-1].headers


async def test_a_deployment_like_a_model_has_its_options_and_openais_price(environ: Environ, azure: Azure) -> None:
    models = [{"id": "painter", "like": "gpt-image-2.5-flare"}, "fast"]
    async with ImageService.from_environ(with_host(environ, azure, "azure", models=models)) as service:
        own, openai = [
            await service.estimate("a fox", model=model, quality="low", size="1024x1024")
            for model in ("azure/painter", "gpt-image-2.5-flare")
        ]
        assert await service.estimate("a fox", model="azure/fast") is None
        made = await service.generate("a fox", model="azure", quality="low", size="1024x1024")
    assert own
    assert openai
    assert own.total_usd == openai.total_usd
    assert made.actual_usd == azure.billed[0].usd


async def test_together_gets_width_height_and_steps(environ: Environ, together: Together) -> None:
    settings = with_host(environ, together, "together")
    async with ImageService.from_environ(settings) as service:
        made = await service.generate(
            "a fox", model="together/black-forest-labs/FLUX.1-schnell", size="512x768", n=2, options={"steps": 4}
        )
    assert together.requests[0].json == {
        "model": "black-forest-labs/FLUX.1-schnell",
        "prompt": "a fox",
        "n": 2,
        "width": 512,
        "height": 768,
        "steps": 4,
        "response_format": "base64",
    }
    assert (len(made.images), made.actual_usd) == (2, None)


async def test_together_gets_sources_only_for_models_that_are_known_to_take_them(
    environ: Environ, together: Together
) -> None:
    settings = with_host(environ, together, "together")
    async with ImageService.from_environ(settings) as service:
        for model in ("FLUX.2-dev", "FLUX.1-kontext-pro"):
            await service.edit(png(64, 64), "a hat", model=f"together/black-forest-labs/{model}")
    assert [("reference_images" in r.json, "image_url" in r.json) for r in together.requests] == [
        (True, False),
        (False, True),
    ]
    for model in ("black-forest-labs/FLUX.1-schnell", "some/other-model"):
        error = await refused(settings, image=png(64, 64), model=f"together/{model}")
        assert error.reason in (Reason.UNSUPPORTED_OPTION, Reason.UNSUPPORTED_OPERATION)
    assert len(together.requests) == 2


async def test_together_is_not_sent_an_option_that_it_may_drop(environ: Environ, together: Together) -> None:
    settings = with_host(environ, together, "together")
    error = await refused(settings, prompt="a fox", model="together/some/other-model", options={"cfg": 3})
    assert (error.reason, error.facts["option"]) == (Reason.UNSUPPORTED_OPTION, "cfg")
    assert together.requests == []


async def test_the_models_of_an_entry_are_compared_with_the_hosts_list(
    environ: Environ, litellm: LiteLLM, openrouter: OpenRouter
) -> None:
    settings = with_host(environ, litellm, "proxy", models=["draw", "gone"])
    assert await found_by_check(settings) == ["proxy: gone is no longer listed by the vendor; our row has it."]
    assert await found_by_check(with_host(environ, openrouter, "openrouter")) == []


async def found_by_check(environ: Environ) -> list[str]:
    catalog = catalog_of(Settings.from_environ(environ))
    provider = catalog.providers[-1]
    vendor_dates = await published(catalog, provider)
    assert vendor_dates is not None
    return differences(provider, vendor_dates, catalog.today())


SEEDREAM = "openrouter/bytedance-seed/seedream-4.5"


async def test_openrouter_states_its_price_before_and_its_cost_after(environ: Environ, openrouter: OpenRouter) -> None:
    settings = with_host(environ, openrouter, "openrouter", key="OPENROUTER_API_KEY")
    settings = settings | {"OPENROUTER_API_KEY": openrouter.key, "ATELIER_BUDGET_PER_CALL": "0.09"}
    async with ImageService.from_environ(settings) as service:
        quoted = await service.estimate("a fox", model=SEEDREAM, n=2)
        made = await service.generate("a fox", model=SEEDREAM, n=2)
        assert quoted
        assert (quoted.total_usd, made.actual_usd) == (Decimal("0.08"), Decimal("0.08"))
        for model, n in ((SEEDREAM, 3), ("openrouter", 1)):  # too dear, and of a price that only tokens tell
            with pytest.raises(ImageError) as caught:
                await service.generate("a fox", model=model, n=n)
            assert caught.value.reason is Reason.BUDGET_EXCEEDED


async def test_openrouter_adds_what_the_vendor_behind_it_bills_to_a_key_of_ones_own(
    environ: Environ, openrouter: OpenRouter
) -> None:
    openrouter.own_key = True
    async with ImageService.from_environ(with_host(environ, openrouter, "openrouter")) as service:
        assert (await service.generate("a fox", model="openrouter")).actual_usd == Decimal("0.04")


async def test_openrouter_gets_references_tiers_and_routing(environ: Environ, openrouter: OpenRouter) -> None:
    async with ImageService.from_environ(with_host(environ, openrouter, "openrouter")) as service:
        await service.edit(
            png(64, 64),
            "a hat",
            model="openrouter/google/gemini-3-pro-image",
            resolution="2k",
            aspect_ratio="16:9",
            options={"provider_only": "google-vertex, google-ai-studio", "allow_fallbacks": False},
        )
    body = openrouter.requests[-1].json
    (reference,) = body.pop("input_references")
    assert reference["image_url"]["url"].startswith("data:image/png;base64,")
    assert body == {
        "model": "google/gemini-3-pro-image",
        "prompt": "a hat",
        "resolution": "2K",
        "aspect_ratio": "16:9",
        "provider": {"only": ["google-vertex", "google-ai-studio"], "allow_fallbacks": False},
    }


async def test_openrouter_is_not_sent_what_it_may_drop_and_bill(environ: Environ, openrouter: OpenRouter) -> None:
    settings = with_host(environ, openrouter, "openrouter")
    for asked in ({"options": {"guidance": 3}}, {"output_format": "svg"}):
        error = await refused(settings, prompt="a fox", model=SEEDREAM, **asked)
        assert error.reason is Reason.UNSUPPORTED_OPTION
    assert [request for request in openrouter.requests if request.method == "POST"] == []


async def test_openrouters_403_is_a_refused_prompt_only_with_reasons(environ: Environ, openrouter: OpenRouter) -> None:
    settings = with_host(environ, openrouter, "openrouter")
    openrouter.next(MODERATED)
    moderated = await refused(settings, prompt="a fox", model=SEEDREAM)
    assert (moderated.reason, "violence" in moderated.message) == (Reason.CONTENT_POLICY, True)
    openrouter.next(Answer(200, {"error": {"code": 402, "message": "No credits."}}))
    assert (await refused(settings, prompt="a fox", model=SEEDREAM)).reason is Reason.QUOTA_EXCEEDED
    openrouter.next(Answer(403, {"error": {"code": 403, "message": "Only for other regions."}}))
    assert (await refused(settings, prompt="a fox", model=SEEDREAM)).reason is Reason.AUTHENTICATION


@pytest.mark.parametrize("status", [200, 400, 502])
async def test_the_error_that_openrouter_passes_on_is_read(
    environ: Environ, openrouter: OpenRouter, status: int
) -> None:
    raw = {"error": {"code": "moderation_blocked", "message": "Rejected by our safety system."}}
    error = {"code": 502, "message": "Provider returned error", "metadata": {"raw": json.dumps(raw)}}
    openrouter.next(Answer(status, {"error": error}))
    refusal = await refused(with_host(environ, openrouter, "openrouter"), prompt="a fox", model=SEEDREAM)
    assert (refusal.reason, refusal.outcome_unknown) == (Reason.CONTENT_POLICY, False)
    assert "Rejected by our safety system." in refusal.message
    assert len([request for request in openrouter.requests if request.method == "POST"]) == 1


async def test_each_host_gets_its_own_key_and_model(
    environ: Environ, litellm: LiteLLM, azure: Azure, openrouter: OpenRouter
) -> None:
    hosts = {"one": (litellm, "openai"), "two": (azure, "azure"), "three": (openrouter, "openrouter")}
    entries = [
        {"name": name, "url": host.url, "key": f"{name.upper()}_KEY", "dialect": dialect}
        for name, (host, dialect) in hosts.items()
    ]
    keys = {f"{name.upper()}_KEY": host.key for name, (host, _) in hosts.items()}
    async with ImageService.from_environ(environ | {"ATELIER_HOSTS": json.dumps(entries), **keys}) as service:
        for model in ("one/gpt-image-2", "two/painter", "three/microsoft/mai-image-2.6"):
            assert (await service.generate("a fox", model=model)).provider == model.partition("/")[0]
    for name, (host, _) in hosts.items():
        others = [key for variable, key in keys.items() if variable != f"{name.upper()}_KEY"]
        sent = " ".join(f"{request.headers} {request.body[:2000]!r}" for request in host.requests)
        assert host.key in sent
        assert not any(key in sent for key in others)
