"""Tests of retries: which errors are retried, after which waits, and the outcome of refused paid requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.transport.retry import (
    MAX_ATTEMPTS,
    MAX_RETRY_WAIT,
    RefusalOutcome,
    refusal_outcome,
    retry_after,
    retry_policy,
)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "9", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Fri, 21 Nov 1980 09:00:00 GMT"}, 0),
    ],
)
def test_retry_after_in_seconds_and_milliseconds(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 27 <= (retry_after({"retry-after": then}) or 0) <= 30


@given(st.text(max_size=60))
def test_no_header_breaks_retry_after(value: str) -> None:
    seconds = retry_after({"retry-after": value, "retry-after-ms": value})
    assert seconds is None or seconds >= 0


NOT_DONE, REFUSED, UNKNOWN = RefusalOutcome.NOT_DONE, RefusalOutcome.REFUSED, RefusalOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("statuses", "vendors", "others"),
    [
        ([408, 499, 504, *range(520, 528)], UNKNOWN, UNKNOWN),
        ([429], NOT_DONE, NOT_DONE),
        ([500, 502, 503], NOT_DONE, UNKNOWN),
        ([501, 505, 519, 528, 529, 599], REFUSED, UNKNOWN),
        ([400, 401, 402, 403, 404, 407, 409, 413, 422, 428, 430, 451, 498], REFUSED, REFUSED),
    ],
)
def test_the_outcome_of_a_refused_paid_request(
    statuses: list[int], vendors: RefusalOutcome, others: RefusalOutcome
) -> None:
    assert {status: refusal_outcome(status, from_vendor=True) for status in statuses} == dict.fromkeys(
        statuses, vendors
    )
    assert {status: refusal_outcome(status, from_vendor=False) for status in statuses} == dict.fromkeys(
        statuses, others
    )


class Tries:
    """Attempts that all fail with this error; waits are recorded instead of slept."""

    def __init__(self, error: Exception, left: float = 1000.0) -> None:
        self.error, self.left = error, left
        self.count = 0
        self.pauses: list[float] = []
        self.messages: list[str] = []

    async def run(self) -> Tries:
        """Run all attempts."""

        async def report(message: str) -> None:
            self.messages.append(message)

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        with pytest.raises(type(self.error)) as caught:  # noqa: PT012 - a loop is the way to use a policy
            async for attempt in retry_policy(lambda error: isinstance(error, ImageError), self.left, report).copy(
                sleep=sleep
            ):
                with attempt:
                    self.count += 1
                    raise self.error
        assert caught.value is self.error
        return self


def busy(seconds: float | None = None) -> ImageError:
    return ImageError(Reason.RATE_LIMITED, "Busy.", retry_after=seconds)


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the jitter by its maximum."""

    def maximum(low: float, high: float) -> float:
        assert low == 0
        return high

    monkeypatch.setattr("random.uniform", maximum)


@pytest.mark.anyio
async def test_a_retry_happens_three_times_after_doubling_pauses(longest: None) -> None:
    tries = await Tries(busy()).run()
    assert (tries.count, tries.pauses) == (MAX_ATTEMPTS, [0.5, 1.0, 2.0]) == (4, [0.5, 1.0, 2.0])
    assert tries.messages == [
        "The request failed; trying again.",
        "The request failed; trying again in 1 s.",
        "The request failed; trying again in 2 s.",
    ]


@pytest.mark.anyio
async def test_the_wait_that_the_vendor_asked_for_is_kept(longest: None) -> None:
    tries = await Tries(busy(3.0)).run()
    assert (tries.count, tries.pauses) == (4, [3.25] * 3)
    assert tries.messages == ["The vendor asked to wait; trying again in 3 s."] * 3
    assert (await Tries(busy(0.0)).run()).pauses == [0.25] * 3


@pytest.mark.anyio
async def test_a_wait_of_more_than_a_minute_is_not_kept(longest: None) -> None:
    assert (await Tries(busy(MAX_RETRY_WAIT)).run()).count == 4
    assert (await Tries(busy(MAX_RETRY_WAIT + 0.001)).run()).count == 1


@pytest.mark.anyio
async def test_no_pause_goes_beyond_the_deadline(longest: None) -> None:
    assert (await Tries(busy(3.0), left=3.0).run()).count == 1
    assert (await Tries(busy(3.0), left=30.0).run()).count == 4
    assert (await Tries(busy(), left=-1.0).run()).count == 1


@pytest.mark.anyio
async def test_an_error_without_retry_has_one_attempt() -> None:
    tries = await Tries(ValueError("no")).run()
    assert (tries.count, tries.pauses, tries.messages) == (1, [], [])
