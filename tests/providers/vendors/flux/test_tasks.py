"""Flux's tasks: which host sees which key, what is told on the way, how they end and what that has cost."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.testing.emulators import flux_rules as emulated
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.server import Answer, Fault
from atelier.providers.transport.network.address_policy import AddressPolicy
from atelier.providers.transport.retry import MAX_ATTEMPTS
from atelier.providers.transport.wire import MAX_POLL_FAILURES, Wire, httpx
from atelier.providers.vendors.contract import Job
from atelier.providers.vendors.flux import PROVIDER
from atelier.providers.vendors.flux import adapter as vendor
from tests.conftest import TODAY, Environ, png
from tests.providers.vendors.flux.conftest import keyed, refused, sent
from tests.vendors import only, open_pipeline

pytestmark = pytest.mark.anyio


async def test_each_stage_of_a_task_is_told_once(with_flux: Environ, flux: Flux) -> None:
    flux.polls.next(
        emulated.PENDING, emulated.REASONING, emulated.REASONING, emulated.GENERATING, emulated.state("Polishing"),
        emulated.REASONING, emulated.GENERATING,
    )  # fmt: skip
    told = list[str]()

    async def on_progress(message: str) -> None:
        told.append(message)

    async with open_pipeline(PROVIDER, with_flux) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="flux"), on_progress=on_progress)
    assert told[-4:] == [
        "Black Forest Labs has queued the image.",
        "Black Forest Labs is reasoning.",
        "Black Forest Labs is generating.",
        "The image is done; downloading it.",
    ]
    assert len(flux.polls.requests) == 8


@pytest.mark.parametrize("one_host", [False, True], ids=["another port", "one host"])
async def test_a_poll_bears_the_key_and_a_download_never_does(with_flux: Environ, flux: Flux, one_host: bool) -> None:
    flux.one_host = one_host
    await sent(with_flux, flux, prompt="a fox", model="flux")
    submit, *others = flux.requests
    polls = [others.pop(0)] if one_host else flux.polls.requests
    assert [request.headers["x-key"] for request in (submit, *polls)] == [flux.key] * 2
    assert keyed(others) == [("results", False), ("blobs", False)]
    assert flux.key not in repr([(request.path, request.headers) for request in others])


async def somewhere_public(name: str, port: int) -> list[str]:
    return ["93.184.216.34"]


def by_name(request: httpx.Request) -> str:
    """The address of a request that may be dialled by number."""
    return str(request.url.copy_with(host=request.headers["host"].partition(":")[0]))


OWN, GATEWAY = "https://api.bfl.ai", "https://gateway.example"


@pytest.mark.parametrize(
    ("base", "polling_url", "polled", "with_key"),
    [
        (OWN, "https://api.eu2.bfl.ai/v1/get_result?id=1", "https://api.eu2.bfl.ai/v1/get_result?id=1", True),
        ("https://api.us.bfl.ai", "https://api.us1.bfl.ai/poll", "https://api.us1.bfl.ai/poll", True),
        (OWN, "/v1/get_result?id=1", "https://api.bfl.ai/v1/get_result?id=1", True),
        (OWN, None, "https://api.bfl.ai/v1/get_result?id=c0ff", True),
        (OWN, "https://api.bfl.ai.example.org/poll", "https://api.bfl.ai.example.org/poll", False),
        (OWN, "https://notbfl.ai/poll", "https://notbfl.ai/poll", False),
        (GATEWAY, "https://gateway.example:8443/poll", "https://gateway.example:8443/poll", True),
        (GATEWAY, "https://api.eu2.bfl.ai/poll", "https://api.eu2.bfl.ai/poll", False),
    ],
)
async def test_on_a_poll_the_vendors_hosts_see_the_vendors_key_and_a_gateway_its_own(
    base: str, polling_url: str | None, polled: str, with_key: bool
) -> None:
    seen = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if "delivery" in request.headers["host"]:
            return httpx.Response(200, content=png(64, 64))
        result = {"sample": "https://delivery-eu1.bfl.ai/results/1.png?sig=s"}
        return httpx.Response(200, json={"id": "c0ff", "status": "Ready", "result": result})

    choice = Catalog({"BFL_BASE_URL": base}.get, lambda: TODAY, only(PROVIDER)).resolve("flux")
    assert choice.endpoint.custom is (base == GATEWAY)
    job = Job(id="job_1", request=ImageRequest(prompt="a fox"), model=choice.model, endpoint=choice.endpoint)
    submitted = httpx.Response(200, json={"id": "c0ff", **({"polling_url": polling_url} if polling_url else {})})
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        wire = Wire(
            client, choice.endpoint, PROVIDER.explain, key="bfl-secret", address_policy=AddressPolicy(somewhere_public)
        )
        reply = await vendor.read(submitted, job, wire)
    assert len(reply.pictures) == 1
    assert reply.cost_usd is None
    assert [by_name(each) for each in seen] == [polled, "https://delivery-eu1.bfl.ai/results/1.png?sig=s"]
    assert [each.headers.get("x-key") for each in seen] == ["bfl-secret" if with_key else None, None]


READY_WITHOUT_LINK = emulated.state("Ready", result={"seed": 1})
PATIENCE = (MAX_POLL_FAILURES + 1) * MAX_ATTEMPTS  # exchanges that a poll goes through before it gives up
ENDINGS: list[tuple[Fault, Reason, str | None, int]] = [
    (emulated.REQUEST_MODERATED, Reason.CONTENT_POLICY, None, 1),
    (emulated.CONTENT_MODERATED, Reason.CONTENT_POLICY, None, 1),
    (emulated.state("Content Moderated", 503), Reason.CONTENT_POLICY, None, 1),
    (emulated.state("Request Moderated", 422), Reason.CONTENT_POLICY, None, 1),
    (emulated.FAILED, Reason.PROVIDER_UNAVAILABLE, "unknown", 1),
    (emulated.state("Error", 422, "Out of memory"), Reason.PROVIDER_UNAVAILABLE, "unknown", 1),
    (emulated.state("Error", 503), Reason.PROVIDER_UNAVAILABLE, "unknown", 1),
    (emulated.TASK_NOT_FOUND, Reason.INVALID_RESPONSE, "unknown", MAX_POLL_FAILURES + 1),
    (READY_WITHOUT_LINK, Reason.INVALID_RESPONSE, "unknown", MAX_POLL_FAILURES + 1),
    (Answer(200, b"<html>"), Reason.INVALID_RESPONSE, "unknown", MAX_POLL_FAILURES + 1),
    (emulated.NOT_AUTHENTICATED, Reason.AUTHENTICATION, "unknown", MAX_POLL_FAILURES + 1),
    (emulated.OVERLOADED, Reason.PROVIDER_UNAVAILABLE, "unknown", PATIENCE),
]


@pytest.mark.parametrize(("fault", "reason", "outcome", "polls"), ENDINGS)
async def test_a_task_that_ends_without_a_picture_tells_its_cost_and_is_not_submitted_again(
    with_flux: Environ, flux: Flux, fault: Fault, reason: Reason, outcome: str | None, polls: int
) -> None:
    flux.polls.next(*[fault] * (PATIENCE + 1))
    error = await refused(with_flux, model="flux-3-image")
    assert (error.reason, error.facts.get("outcome")) == (reason, outcome)
    assert error.facts["cost_usd"] == Decimal("0.048")
    assert error.facts["request_id"] in flux.tasks
    assert error.facts["polling_url"].startswith(flux.polls.url)
    assert (len(flux.requests), len(flux.polls.requests)) == (1, polls)


async def test_a_blocked_picture_tells_what_it_cost(with_flux: Environ, flux: Flux) -> None:
    flux.polls.next(emulated.CONTENT_MODERATED)
    error = await refused(with_flux, model="flux-3-image")
    assert "0.048 USD" in error.hint
    assert not error.outcome_unknown


@pytest.mark.parametrize("fault", [emulated.CONTENT_MODERATED, emulated.NOT_AUTHENTICATED])
async def test_a_task_whose_cost_is_not_stated_may_have_been_billed_whatever_ended_it(
    with_flux: Environ, flux: Flux, fault: Fault
) -> None:
    flux.next(Answer(200, {"id": "c0ff", "polling_url": f"{flux.polls.url}/v1/get_result?id=c0ff"}))
    flux.polls.next(fault)
    assert (await refused(with_flux)).outcome_unknown


async def test_the_vendors_reasons_are_quoted(with_flux: Environ, flux: Flux) -> None:
    flux.polls.next(emulated.CONTENT_MODERATED)
    error = await refused(with_flux)
    assert "“Content Moderated”" in error.message
    assert "Derivative Works Filter" in error.message
    assert error.facts["status"] == 200


async def test_a_key_kept_from_a_strange_polling_host_is_explained(with_flux: Environ, flux: Flux) -> None:
    flux.polls_name = "localhost"
    error = await refused(with_flux)
    assert error.reason is Reason.AUTHENTICATION
    assert "gateway" in error.hint
    assert keyed(flux.polls.requests) == [("v1", False)] * (MAX_POLL_FAILURES + 1)


async def test_a_task_that_outlives_the_deadline_may_be_billed(with_flux: Environ, flux: Flux) -> None:
    flux.polls.next(*[emulated.PENDING] * 1000)
    async with open_pipeline(PROVIDER, with_flux, timeout=1) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="flux"))
    assert flux.polls.script, "it is asked for no more"
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.TIMEOUT, True)
    assert caught.value.facts["cost_usd"] == Decimal("0.03")


async def test_a_task_is_asked_for_once_a_second(
    with_flux: Environ, flux: Flux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    flux.polls.next(emulated.PENDING)
    began = time.monotonic()
    await sent(with_flux, flux, prompt="a fox", model="flux")
    assert time.monotonic() - began >= 1.0
    assert len(flux.polls.requests) == 2
