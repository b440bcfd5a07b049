"""Several vendor calls of one job become one result: what is added up, what is kept of each, and what is told."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import cast

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ResultImage, Usage
from atelier.providers.core.types import Picture
from atelier.providers.pipeline.prepare import PreparedJob
from atelier.providers.pipeline.result import CallResult, merged_reply, merged_result, shortfall_warnings
from atelier.providers.pipeline.vendor_call import VendorCall
from atelier.providers.vendors.contract import Reply


def test_tokens_costs_and_warnings_of_all_calls_are_in_the_one_reply() -> None:
    first = Reply(
        pictures=(),
        usage=Usage(input_tokens=10, output_tokens=200, details={"image": 1}),
        cost_usd=Decimal("0.04"),
        warnings=("The vendor is slow.", "Only here."),
        details={"request_id": "req_1", "created": 5},
    )
    second = Reply(
        pictures=(),
        usage=Usage(input_tokens=11, output_tokens=220, details={"image": 2}),
        cost_usd=Decimal("0.05"),
        warnings=("The vendor is slow.",),
        details={"request_id": "req_2"},
    )
    made = merged_reply([first, second])
    assert made.usage == Usage(input_tokens=21, output_tokens=420, details={"calls": [{"image": 1}, {"image": 2}]})
    assert made.cost_usd == Decimal("0.09")
    assert made.warnings == ("The vendor is slow.", "Only here.")
    assert made.details == {"request_id": "req_1", "created": 5, "request_ids": ["req_1", "req_2"]}


def test_one_unknown_cost_makes_the_sum_unknown_and_missing_tokens_are_not_made_up() -> None:
    counted = Reply(pictures=(), usage=Usage(input_tokens=1, output_tokens=2), cost_usd=Decimal(1))
    silent = Reply(pictures=(), details={"request_id": "req_2"})
    made = merged_reply([counted, silent])
    assert made.cost_usd is None
    assert made.usage == counted.usage
    assert "request_ids" not in made.details
    assert merged_reply([silent, silent]).usage is None


def test_a_single_call_keeps_its_reply() -> None:
    only = Reply(pictures=(), cost_usd=Decimal(0), details={"request_id": "req_1"})
    assert merged_reply([only]) == only


def test_fewer_images_than_asked_for_are_told_with_each_reason_once() -> None:
    refused = ImageError(Reason.CONTENT_POLICY, "It was refused.")
    assert shortfall_warnings([refused, refused], 3, 1, None) == ["Only 1 of 3 images were made: It was refused."]
    told = shortfall_warnings([refused], 3, 2, "job_1")
    assert told[0] == "Only 2 of 3 images were made: It was refused."
    assert "the same call, or get_image with job_1, collects them." in told[1]
    assert shortfall_warnings([], 3, 3, None) == []


PRICED = SimpleNamespace(
    job=SimpleNamespace(id="job_1", request=SimpleNamespace(count=2, sources=()), model=SimpleNamespace(id="m")),
    choice=SimpleNamespace(provider=SimpleNamespace(name="openai"), notice="A free draft."),
    estimate=None,
    warnings=(),
)


def prepared(*calls: VendorCall, collectable: bool = False) -> PreparedJob:
    """A job of two images of which the calls are over."""
    job = SimpleNamespace(priced=PRICED, vendor_calls=calls, collectable=collectable, spent_usd=Decimal("0.04"))
    return cast("PreparedJob", job)


def vendor_call(possibly_billed_twice: int = 0) -> VendorCall:
    return cast("VendorCall", SimpleNamespace(possibly_billed_twice=possibly_billed_twice))


def image() -> ResultImage:
    return ResultImage(Picture(b"", "png", 1, 1))


def test_the_result_of_a_job_has_the_tokens_the_details_and_the_notice_of_its_reply() -> None:
    reply = Reply(pictures=(), usage=Usage(output_tokens=7), details={"request_id": "req_1"})
    made = merged_result(prepared(vendor_call()), [CallResult(reply, [image()], [])])
    assert (made.usage, made.details, made.notice) == (reply.usage, reply.details, "A free draft.")
    assert (made.estimated_usd, made.actual_usd, made.warnings) == (None, Decimal("0.04"), ())


def test_a_call_that_may_be_billed_twice_says_so() -> None:
    made = merged_result(prepared(vendor_call(), vendor_call(1)), [CallResult(Reply(pictures=()), [image()], [])])
    assert made.warnings == ("A call timed out and was sent again; the first may have been billed as well.",)


def test_a_job_with_too_few_images_says_how_many_came_and_how_to_get_the_rest() -> None:
    outcomes = [CallResult(Reply(pictures=()), [image()], []), ImageError(Reason.TIMEOUT, "It took too long.")]
    first, later = merged_result(prepared(vendor_call(), vendor_call(), collectable=True), outcomes).warnings
    assert first == "Only 1 of 2 images were made: It took too long."
    assert "get_image with job_1" in later
