"""Links to Flux's pictures: those that are none, that are dead or broken, and what is fetched once more."""

from __future__ import annotations

from decimal import Decimal

import pytest

from atelier.providers.core.errors import Reason
from atelier.providers.testing.emulators import flux_rules as emulated
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.server import Answer, Dropped, Fault
from tests.conftest import Environ, png
from tests.providers.vendors.flux.conftest import keyed, refused, sent

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("link", ["http://[::1", "https://x:y/", "a\0b", "ftp://x/y", "http://", "x" * 70_000],
                         ids=lambda link: ascii(link)[:12])  # fmt: skip
@pytest.mark.parametrize("of", ["the task", "the picture"])
async def test_a_link_that_is_no_address_is_an_answer_that_cannot_be_used(
    with_flux: Environ, flux: Flux, of: str, link: str
) -> None:
    polled = link if of == "the task" else f"{flux.url}/v1/get_result?id=c0ff"
    flux.next(Answer(200, {"id": "c0ff", "polling_url": polled, "cost": 3}))
    flux.next(emulated.state("Ready", result={"sample": link}))
    error = await refused(with_flux)
    assert (error.reason, error.outcome_unknown) == (Reason.INVALID_RESPONSE, True)
    assert (error.facts["request_id"], error.facts["cost_usd"]) == ("c0ff", Decimal("0.03"))


async def test_a_link_that_expired_is_not_taken_for_a_wrong_key(with_flux: Environ, flux: Flux) -> None:
    flux.expired = True
    error = await refused(with_flux)
    assert (error.reason, error.outcome_unknown) == (Reason.INVALID_RESPONSE, True)
    assert "403" in error.message
    assert error.facts["cost_usd"] == Decimal("0.03")
    assert "sig=" not in f"{error.message} {error.facts}"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Answer(200, b"no picture", {"content-type": "image/jpeg"}), Reason.INVALID_RESPONSE),
        (Answer(200, png(64, 64)[:-20], {"content-type": "image/png"}), Reason.INVALID_RESPONSE),
        (Answer(302, b"", {"location": "http://127.0.0.1:9/elsewhere"}), Reason.INVALID_RESPONSE),
        (Answer(302, b"", {"location": "ftp://127.0.0.1/elsewhere"}), Reason.INVALID_RESPONSE),
    ],
    ids=["no picture", "cut short", "to nowhere", "by no web"],
)
async def test_a_delivery_that_is_no_picture_is_refused_with_its_cost(
    with_flux: Environ, flux: Flux, fault: Fault, reason: Reason
) -> None:
    flux.next(None, fault, fault)
    error = await refused(with_flux)
    assert (error.reason, error.outcome_unknown, error.facts["cost_usd"]) == (reason, True, Decimal("0.03"))


@pytest.mark.parametrize(
    "fault", [Answer(403, b"expired"), Answer(200, png(64, 64)[:-20])], ids=["a dead link", "cut short"]
)
async def test_a_delivery_that_failed_is_asked_for_once_more(with_flux: Environ, flux: Flux, fault: Fault) -> None:
    flux.next(None, fault)
    await sent(with_flux, flux, prompt="a fox", model="flux")
    assert len(flux.polls.requests) == 2
    assert [request.path for request in flux.requests].count("/v1/flux-2-pro") == 1


async def test_a_delivery_is_fetched_again_after_a_passing_failure(with_flux: Environ, flux: Flux) -> None:
    flux.next(None, emulated.OVERLOADED, Dropped(midway=True))
    await sent(with_flux, flux, prompt="a fox", model="flux")
    assert keyed(flux.requests) == [
        ("v1", True),
        ("results", False),
        ("results", False),
        ("results", False),
        ("blobs", False),
    ]
