"""Several vendor calls of one job become one result: what is added up, what is kept of each, and what is told."""

from __future__ import annotations

from decimal import Decimal

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import Usage
from atelier.providers.pipeline.result import merged_reply, shortfall_warnings
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
