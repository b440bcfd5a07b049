"""What is special to Bedrock: signatures, the region, who has it, and the fields of services that Stability lacks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.environment import variable
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.sources import normalise_source
from atelier.providers.testing.emulators import bedrock as emulated
from atelier.providers.testing.emulators.bedrock import Bedrock
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.bedrock import PROVIDER, credentials
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio
FOX = ImageRequest(prompt="a fox", model="bedrock")
SOURCE, OTHER = normalise_source(png(256, 256)), normalise_source(png(256, 256, "navy"))
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1", "AWS_PROFILE": "mine"}


@pytest.fixture
def bedrock() -> Iterator[Bedrock]:
    yield from served(Bedrock())


async def failure(settings: Environ, request: ImageRequest = FOX) -> ImageError:
    async with open_pipeline(PROVIDER, settings) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(request)
    return caught.value


def test_the_credentials_of_a_bucket_do_not_make_it_a_vendor() -> None:
    def has(**environ: str) -> bool:
        return Catalog(partial(variable, environ)).usable(PROVIDER)

    assert not has(**KEYS)
    assert has(**KEYS, ATELIER_BEDROCK_REGION="us-west-2")
    assert has(AWS_BEARER_TOKEN_BEDROCK="b")


@pytest.mark.parametrize(
    ("settings", "region"),
    [
        ({"AWS_BEARER_TOKEN_BEDROCK": "b"}, "us-west-2"),
        ({"AWS_BEARER_TOKEN_BEDROCK": "b", "AWS_REGION": "us-east-2"}, "us-east-2"),
        ({"ATELIER_BEDROCK_REGION": "us-east-1", "AWS_REGION": "us-east-2"}, "us-east-1"),
    ],
)
def test_the_region_decides_the_host(settings: Environ, region: str) -> None:
    request = open_pipeline(PROVIDER, settings).prepare(FOX)
    assert request.url.host == f"bedrock-runtime.{region}.amazonaws.com"
    assert request.url.raw_path == b"/model/stability.stable-image-core-v1%3A1/invoke"


async def test_a_region_that_names_another_host_is_refused() -> None:
    error = await failure({"ATELIER_BEDROCK_REGION": "evil.example/#"})
    assert (error.reason, "ATELIER_BEDROCK_REGION" in error.hint) == (Reason.INVALID_REQUEST, True)


@pytest.mark.parametrize("session_token", [None, "FwoGZXIvYXdzEmulated=="])
async def test_every_request_is_signed_again_and_the_secret_stays(environ: Environ, session_token: str | None) -> None:
    bedrock = Bedrock(session_token=session_token)
    with bedrock.serving():
        bedrock.next(emulated.BROKEN_SERVER)
        async with open_pipeline(PROVIDER, environ | bedrock.signed_environ()) as pipeline:
            result = await pipeline.run(ImageRequest(prompt="ein Füchslein 狐", model="bedrock", seed=3))
            edit = ImageRequest(
                operation=Operation.UPSCALE, model="stability.stable-fast-upscale-v1:0", sources=(SOURCE,)
            )
            larger = await pipeline.run(edit)
    assert (result.images[0].picture.seed, result.actual_usd) == (3, bedrock.billed[0].usd)
    assert larger.images[0].picture.width == 1024
    assert len(bedrock.requests) == 3
    assert all(request.headers["authorization"].startswith("AWS4-HMAC-SHA256 ") for request in bedrock.requests)
    assert emulated.SECRET_KEY not in f"{bedrock.requests!r}"


async def test_a_wrong_secret_is_a_matter_of_authentication(environ: Environ, bedrock: Bedrock) -> None:
    wrong = {"AWS_SECRET_ACCESS_KEY": "another-secret"}
    error = await failure(environ | bedrock.signed_environ() | wrong)
    assert (error.reason, len(bedrock.requests), bedrock.billed) == (Reason.AUTHENTICATION, 1, [])
    assert "another-secret" not in f"{error!r} {error.facts}"


async def test_the_chain_of_aws_is_used_where_the_settings_have_no_keys(
    environ: Environ, bedrock: Bedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = environ | bedrock.signed_environ()
    del settings["AWS_ACCESS_KEY_ID"], settings["AWS_SECRET_ACCESS_KEY"]
    monkeypatch.setattr(credentials, "_session", credentials._session.__wrapped__)  # pyright: ignore[reportPrivateUsage, reportFunctionMemberAccess]
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    error = await failure(settings)
    assert (error.reason, bedrock.requests) == (Reason.AUTHENTICATION, [])
    assert "AWS_BEARER_TOKEN_BEDROCK" in error.hint
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", emulated.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", emulated.SECRET_KEY)
    async with open_pipeline(PROVIDER, settings) as pipeline:
        assert (await pipeline.run(FOX)).images


async def test_a_style_is_transferred_from_the_second_image_to_the_first(environ: Environ, bedrock: Bedrock) -> None:
    model = "stability.stable-style-transfer-v1:0"
    request = ImageRequest(
        operation=Operation.EDIT, prompt="oil", model=model, sources=(SOURCE, OTHER), options={"style_strength": 0.5}
    )
    async with open_pipeline(PROVIDER, environ | bedrock.environ_for("bedrock")) as pipeline:
        result = await pipeline.run(request)
    (sent,) = bedrock.requests
    assert set(sent.json) == {"prompt", "style_strength", "init_image", "style_image"}
    assert result.actual_usd == bedrock.billed[0].usd


async def test_a_prompt_and_a_strength_are_what_an_edit_needs(environ: Environ, bedrock: Bedrock) -> None:
    request = ImageRequest(
        operation=Operation.EDIT, prompt="a hat", model="stability.sd3-5-large-v1:0", sources=(SOURCE,)
    )
    async with open_pipeline(PROVIDER, environ | bedrock.environ_for("bedrock")) as pipeline:
        result = await pipeline.run(request)
    sent = bedrock.requests[0].json
    assert (sent["mode"], sent["strength"], "model" in sent) == ("image-to-image", 0.65, False)
    assert any("strength 0.65" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("fault", "reason", "unknown"),
    [
        (emulated.trouble(408, "ModelTimeoutException", "Too slow."), Reason.TIMEOUT, True),
        (emulated.trouble(424, "ModelErrorException", "The model failed."), Reason.PROVIDER_UNAVAILABLE, True),
        (
            emulated.trouble(400, "ValidationException", "Invocation with on-demand throughput isn’t supported."),
            Reason.UNKNOWN_MODEL,
            False,
        ),
        (emulated.withheld("Inference error"), Reason.INVALID_RESPONSE, True),
    ],
)
async def test_an_error_has_its_reason_and_is_sent_once(
    environ: Environ, bedrock: Bedrock, fault: Answer, reason: Reason, unknown: bool
) -> None:
    bedrock.next(fault)
    error = await failure(environ | bedrock.environ_for("bedrock"))
    assert (error.reason, error.outcome_unknown, len(bedrock.requests)) == (reason, unknown, 1)
