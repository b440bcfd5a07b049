"""What a refusal of Flux means, which are repeated, and that neither key nor prompt is in one."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.testing.emulators import flux_rules as emulated
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.flux_schemas import MODELS
from atelier.providers.testing.server import Answer, Drip, Dropped, Fault, Slow
from atelier.providers.vendors.flux import PROVIDER
from tests.conftest import Environ
from tests.providers.vendors.flux.conftest import refused
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

FORBIDDEN = emulated.trouble(422, [{"loc": ["body", "seed"], "msg": "Extra inputs", "type": "extra_forbidden"}])
INVALID = emulated.trouble(422, [{"loc": ["body", "width"], "msg": "Must be less", "type": "less_than_equal"}])
REFUSALS: list[tuple[Fault, Reason, int]] = [
    (emulated.trouble(400, "Bad request"), Reason.INVALID_REQUEST, 1),
    (emulated.trouble(401, "No key"), Reason.AUTHENTICATION, 1),
    (emulated.NO_CREDITS, Reason.QUOTA_EXCEEDED, 1),
    (emulated.NOT_AUTHENTICATED, Reason.AUTHENTICATION, 1),
    (emulated.NOT_FOUND, Reason.UNKNOWN_MODEL, 1),
    (FORBIDDEN, Reason.UNSUPPORTED_OPTION, 1),
    (INVALID, Reason.INVALID_REQUEST, 1),
    (emulated.state("Request Moderated", 422), Reason.CONTENT_POLICY, 1),
    (emulated.state("Content Moderated", 503), Reason.CONTENT_POLICY, 1),
    (emulated.state("Error", 503), Reason.INVALID_RESPONSE, 1),
    (emulated.BROKEN_JSON, Reason.INVALID_RESPONSE, 1),
    (Answer(200, {}), Reason.INVALID_RESPONSE, 1),
    (Answer(302, b"", {"location": "https://elsewhere.example/"}), Reason.INVALID_RESPONSE, 1),
    (Answer(502, b"<html>Bad gateway</html>", {"content-type": "text/html"}), Reason.PROVIDER_UNAVAILABLE, 1),
    (emulated.RATE_LIMITED, Reason.RATE_LIMITED, 4),
    (Dropped(), Reason.NETWORK_ERROR, 1),
    (Dropped(midway=True), Reason.NETWORK_ERROR, 1),
]


@pytest.mark.parametrize(("fault", "reason", "requests"), REFUSALS)
async def test_each_refusal_has_its_reason_and_only_the_safe_ones_are_repeated(
    with_flux: Environ, flux: Flux, fault: Fault, reason: Reason, requests: int
) -> None:
    flux.next(*[fault] * 10)
    error = await refused(with_flux)
    assert error.reason is reason
    assert len(flux.requests) == requests
    assert not flux.polls.requests


async def test_a_wrong_key_and_an_empty_purse_are_told_as_the_vendor_tells_them(with_flux: Environ, flux: Flux) -> None:
    error = await refused({**with_flux, "BFL_API_KEY": "bfl-wrong"})
    assert (error.reason, error.facts["status"]) == (Reason.AUTHENTICATION, 403)
    assert "BFL_API_KEY" in error.hint
    flux.credits = 0
    assert (await refused(with_flux)).reason is Reason.QUOTA_EXCEEDED


async def test_a_validation_error_names_the_field(
    with_flux: Environ, flux: Flux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "flux-2-next", MODELS["flux-2-pro"])  # which our rows do not have
    error = await refused(with_flux, model="flux-2-next", options={"safety_tolerance": 9})
    assert (error.reason, error.facts["status"]) == (Reason.INVALID_REQUEST, 422)
    assert "safety_tolerance: Input should be less than or equal to 5" in error.message


async def test_after_a_passing_failure_the_picture_comes(with_flux: Environ, flux: Flux) -> None:
    flux.next(emulated.BROKEN_SERVER, emulated.RATE_LIMITED)
    flux.polls.next(emulated.OVERLOADED, emulated.RATE_LIMITED, emulated.PENDING, Dropped())
    async with open_pipeline(PROVIDER, with_flux) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="flux"))).images
    assert [request.path for request in flux.requests].count("/v1/flux-2-pro") == 3
    assert len(flux.polls.requests) == 5


async def test_a_long_wait_is_told_instead_of_waited(with_flux: Environ, flux: Flux) -> None:
    flux.next(emulated.trouble(429, "Slow down", retry_after="120"))
    error = await refused(with_flux)
    assert (error.reason, error.retry_after) == (Reason.RATE_LIMITED, 120)
    assert len(flux.requests) == 1


@pytest.mark.parametrize("fault", [Slow(1.5), Drip(every=0.1, length=10)], ids=["silence", "drip"])
async def test_a_timed_out_submit_may_be_billed_and_is_not_sent_again(
    with_flux: Environ, flux: Flux, fault: Fault
) -> None:
    flux.next(fault)
    async with open_pipeline(PROVIDER, with_flux, timeout=0.4) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="flux"))
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.TIMEOUT, True)
    assert len(flux.requests) == 1


@pytest.mark.parametrize("during", ["the submit", "a poll"])
async def test_neither_key_nor_prompt_comes_back_in_an_error(with_flux: Environ, flux: Flux, during: str) -> None:
    words = f"Bad: {flux.key} asked for the secret garden of my aunt"
    if during == "a poll":
        flux.polls.next(emulated.state("Content Moderated", details=words))
    else:
        flux.next(emulated.trouble(400, words))
    error = await refused(with_flux, prompt="the secret garden of my aunt")
    told = f"{error!r} {error.message} {error.hint} {error.facts}"
    assert flux.key not in told
    assert "secret garden" not in told
    assert "Bad:" in told
