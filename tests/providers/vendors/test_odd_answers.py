"""Answers of gateways and odd hosts, the same for every vendor: nothing paid is sent twice, refusals are understood."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.testing.conformance.bench import Bench
from atelier.providers.testing.conformance.helpers import run
from atelier.providers.testing.conformance.odd_bodies import ODD_BODIES, Rewritten
from atelier.providers.testing.server import Answer, Emulator, Received
from atelier.providers.transport.retry import RefusalOutcome, refusal_outcome
from tests.conformance.benches import BENCHES
from tests.exhaustive import parameters, sample

pytestmark = pytest.mark.anyio

HTML = {"content-type": "text/html"}
PAGE = b"<!DOCTYPE html><html><title>A time-out occurred</title></html>"
REMOTE = [bench for bench in BENCHES if bench.faults]
"""The vendors that are reached over the network."""
FAST_BODIES = ("a BOM", "gzip without its header", "an event of a stream")


@pytest.fixture(params=REMOTE, ids=[bench.name for bench in REMOTE])
def bench(request: pytest.FixtureRequest) -> Bench:
    return request.param


@pytest.fixture
def host(bench: Bench, monkeypatch: pytest.MonkeyPatch, impatient: None) -> Generator[Emulator]:
    with (emulator := bench.host()).serving():
        bench.stage(emulator, monkeypatch)
        yield emulator


async def refused(bench: Bench, host: Emulator, *answers: Any) -> ImageError:
    host.next(*answers)
    with pytest.raises(ImageError) as caught:
        await run(bench, host, bench.minimal_request(bench.default))
    return caught.value


def paid(host: Emulator) -> list[Received]:
    """The requests that make images; a local server is asked beforehand what it has, and a token is got for free."""
    return [each for each in host.requests if each.method == "POST" and not each.path.startswith(host.free)]


@pytest.mark.parametrize(
    "status", sample([408, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524, 527], [408, 502, 504, 524])
)
async def test_a_gateways_page_in_place_of_an_answer_is_an_unknown_outcome_and_not_sent_again(
    bench: Bench, host: Emulator, status: int
) -> None:
    error = await refused(bench, host, Answer(status, PAGE, HTML))
    assert error.outcome_unknown
    assert len(paid(host)) == 1
    assert "may have done and billed the work" in error.hint


@pytest.mark.parametrize("body", [{"message": "Service Unavailable"}, {"message": "Down.", "request_id": "7"}])
async def test_a_gateways_json_in_place_of_an_answer_is_an_unknown_outcome_and_not_sent_again(
    bench: Bench, host: Emulator, body: dict[str, str]
) -> None:
    error = await refused(bench, host, Answer(503, body))
    assert error.outcome_unknown
    assert len(paid(host)) == 1
    assert body["message"] in error.message


@pytest.mark.parametrize("code", [408, "504", "timeout"])
async def test_a_timeout_that_is_passed_on_as_a_500_is_an_unknown_outcome(
    bench: Bench, host: Emulator, code: object
) -> None:
    error = await refused(bench, host, Answer(500, {"error": {"message": "It timed out.", "code": code}}))
    assert error.outcome_unknown
    assert len(paid(host)) == 1


async def test_the_vendors_own_503_is_sent_again_and_costs_nothing(bench: Bench, host: Emulator) -> None:
    assert bench.faults
    error = await refused(bench, host, *[bench.faults.broken_server] * 4)
    assert not error.outcome_unknown
    assert len(paid(host)) == 4


@pytest.mark.parametrize(
    ("status", "from_vendor", "left"),
    [
        (429, False, RefusalOutcome.NOT_DONE), (429, True, RefusalOutcome.NOT_DONE),
        (500, True, RefusalOutcome.NOT_DONE), (502, True, RefusalOutcome.NOT_DONE),
        (503, True, RefusalOutcome.NOT_DONE),
        (500, False, RefusalOutcome.UNKNOWN), (503, False, RefusalOutcome.UNKNOWN),
        (408, True, RefusalOutcome.UNKNOWN), (499, True, RefusalOutcome.UNKNOWN), (504, True, RefusalOutcome.UNKNOWN),
        (524, True, RefusalOutcome.UNKNOWN), (501, True, RefusalOutcome.REFUSED), (400, False, RefusalOutcome.REFUSED),
    ],
)  # fmt: skip
def test_the_table_of_what_a_refused_request_leaves(status: int, from_vendor: bool, left: RefusalOutcome) -> None:
    assert refusal_outcome(status, from_vendor=from_vendor) is left


async def test_an_error_in_a_200_is_a_refusal_by_its_own_code(bench: Bench, host: Emulator) -> None:
    error = await refused(bench, host, Answer(200, {"error": {"message": "Your balance is empty.", "code": 402}}))
    assert (error.reason, error.outcome_unknown) == (Reason.QUOTA_EXCEEDED, False)
    assert "Your balance is empty." in error.message
    assert len(paid(host)) == 1


async def test_an_error_beside_empty_data_in_a_200_is_a_refusal(bench: Bench, host: Emulator) -> None:
    error = await refused(bench, host, Answer(200, {"data": None, "error": "upstream is busy"}))
    assert not error.outcome_unknown
    assert error.retryable  # so that a fallback is used
    assert "upstream is busy" in error.message


async def test_a_web_page_in_a_200_is_told_as_a_wrong_base_url(bench: Bench, host: Emulator) -> None:
    error = await refused(bench, host, Answer(200, PAGE, HTML))
    assert error.reason is Reason.INVALID_RESPONSE
    assert not error.outcome_unknown  # the host is not the vendor's own
    assert "web page" in error.message
    assert bench.provider.endpoint.base_url_variable in error.hint


POLICY = {
    "azure": {"error": {"code": "contentFilter", "message": "Your task failed as a result of our safety system."}},
    "azure inner": {
        "error": {"code": "BadRequest", "message": "No.", "innererror": {"code": "ResponsibleAIPolicyViolation"}}
    },
    "azure chat": {"error": {"code": "content_filter", "message": "The response was filtered."}},
    "litellm": {
        "error": {"message": "litellm.ContentPolicyViolationError: the prompt was refused", "type": None, "code": "400"}
    },
}


@pytest.mark.parametrize("body", POLICY.values(), ids=POLICY)
async def test_a_policy_refusal_in_another_dialect_is_one(bench: Bench, host: Emulator, body: Any) -> None:
    error = await refused(bench, host, Answer(400, body))
    assert error.reason is Reason.CONTENT_POLICY
    assert len(paid(host)) == 1


async def test_a_404_of_another_host_names_the_address(bench: Bench, host: Emulator) -> None:
    error = await refused(bench, host, Answer(404, PAGE, HTML))
    assert f"127.0.0.1:{host.port}" in error.hint
    assert bench.provider.endpoint.base_url_variable in error.hint
    assert "must end in /v1;" not in error.hint  # it does already


async def test_an_error_has_the_facts_of_its_exchange(bench: Bench, host: Emulator) -> None:
    error = await refused(bench, host, Answer(400, {"error": {"message": "No."}}, {"x-request-id": "req-7"}))
    facts = error.facts
    assert str(facts["url"]).startswith(f"http://127.0.0.1:{host.port}/")
    assert (facts["status"], facts["content_type"], facts["request_id"]) == (400, "application/json", "req-7")
    assert facts["size"] > 0
    assert facts["operation"] == "generate"
    assert facts["model"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"code": -1, "message": "insufficient balance"}, Reason.QUOTA_EXCEEDED),
        ({"code": 1001, "msg": "sensitive content", "data": None}, Reason.CONTENT_POLICY),
        ({"status": "failed", "message": "The prompt was blocked."}, Reason.CONTENT_POLICY),
        ({"status": 401, "title": "Unauthenticated", "detail": "Invalid token."}, Reason.AUTHENTICATION),
    ],
    ids=["a number below zero", "a number of its own", "a state", "problem JSON"],
)
async def test_a_200_with_the_code_of_an_error_and_its_words_is_a_refusal(
    bench: Bench, host: Emulator, body: dict[str, Any], reason: Reason
) -> None:
    error = await refused(bench, host, Answer(200, body))
    assert (error.reason, error.outcome_unknown) == (reason, False)
    assert (body.get("detail") or body.get("msg") or body["message"]) in error.message


@pytest.mark.parametrize("body", [{"detail": "No such tenant."}, b"No such tenant."], ids=["an object", "a text"])
async def test_the_words_of_an_answer_without_an_image_are_quoted(bench: Bench, host: Emulator, body: Any) -> None:
    error = await refused(bench, host, Answer(200, body))
    assert error.outcome_unknown
    assert "“No such tenant.”" in error.message


POLLED = [bench for bench in REMOTE if bench.name in ("flux", "fal", "replicate", "leonardo")]
STATE = re.compile(rb'"status": ?"([^"]+)"')


@pytest.mark.parametrize("bench", POLLED, ids=[bench.name for bench in POLLED], indirect=True)
async def test_the_state_of_a_task_in_other_letters_is_read(bench: Bench, host: Emulator) -> None:
    def other_letters(body: bytes) -> bytes:
        return STATE.sub(lambda found: b'"status": "%s"' % found[1].swapcase(), body)

    polls = getattr(host, "polls", host)
    polls.next(*([None] if polls is host else []), *[Rewritten(other_letters)] * 2)
    assert (await run(bench, host, bench.minimal_request(bench.default), timeout=6.0)).images


@pytest.mark.parametrize(
    "change", [parameters(change, is_fast=what in FAST_BODIES, id=what) for what, change in ODD_BODIES.items()]
)
async def test_odd_bytes_around_a_refusal_do_not_cost_its_words(
    bench: Bench, host: Emulator, change: Callable[[bytes], bytes]
) -> None:
    assert bench.faults
    answer: Any = bench.faults.refused("The shape is not a shape.")
    body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    error = await refused(bench, host, Answer(answer.status, change(body), answer.headers))
    assert "The shape is not a shape." in error.message
    assert error.facts.get("cost_usd") in (None, Decimal(0))
