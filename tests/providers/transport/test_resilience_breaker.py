"""Tests of the circuit breaker: it opens when a vendor is down, and one trial call decides whether it closes."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.transport.resilience import IGNORED_REASONS, MAX_FAILURES, OPEN_SECONDS, Breaker

DOWN = ImageError(Reason.PROVIDER_UNAVAILABLE, "down")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def called(breaker: Breaker, end: BaseException | None = None) -> None:
    """Make a call that is admitted and ends with `end`."""
    try:
        with breaker.call():
            if end:
                raise end
    except BaseException as error:
        if error is not end:
            raise


def refusal(breaker: Breaker) -> ImageError:
    """Return the error of a call that is refused."""
    with pytest.raises(ImageError) as caught, breaker.call():
        raise AssertionError("it was let in")
    return caught.value


def opened(clock: Clock) -> Breaker:
    breaker = Breaker("Stability AI", clock)
    for _ in range(MAX_FAILURES):
        called(breaker, DOWN)
    return breaker


def test_the_breaker_opens_after_failures_in_a_row() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 10
    error = refusal(breaker)
    assert error.reason is Reason.PROVIDER_UNAVAILABLE
    assert error.retry_after == OPEN_SECONDS - 10
    assert "Stability AI failed 5 times in a row, so it is not called for 20 s" in error.message


def test_after_the_pause_one_trial_call_runs_and_others_are_refused() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += OPEN_SECONDS
    with breaker.call():
        clock.now += 3 * OPEN_SECONDS
        error = refusal(breaker)
        assert "one trial call is running" in error.message
        assert error.retry_after
    called(breaker)
    with breaker.call():
        called(breaker)


def test_a_failed_trial_call_opens_the_breaker_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += OPEN_SECONDS
    called(breaker, DOWN)
    assert refusal(breaker).retry_after == OPEN_SECONDS


def test_after_a_cancelled_trial_the_next_call_is_the_trial() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += OPEN_SECONDS
    called(breaker, KeyboardInterrupt())
    with breaker.call():
        refusal(breaker)


def test_an_old_trial_does_not_count_after_the_breaker_closed() -> None:
    clock = Clock()
    breaker = Breaker("xAI", clock)
    with breaker.call():  # it began before the vendor failed, and succeeds late
        for _ in range(MAX_FAILURES):
            called(breaker, DOWN)
        clock.now += OPEN_SECONDS
        trial = breaker.call()
        trial.__enter__()
    for _ in range(MAX_FAILURES):
        called(breaker, DOWN)
    clock.now += OPEN_SECONDS
    with breaker.call():
        trial.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        refusal(breaker)


ANSWERED = [None, *(reason for reason in Reason if reason not in (Reason.PROVIDER_UNAVAILABLE, *IGNORED_REASONS))]
"""Outcomes of calls that the vendor answered: a success, and every refusal."""


@pytest.mark.parametrize("answered", ANSWERED)
def test_any_other_answer_closes_the_breaker(answered: Reason | None) -> None:
    other = ImageError(answered, "no") if answered else None
    clock = Clock()
    breaker = Breaker("xAI", clock)
    for _ in range(3):  # it counts failures from the start each time
        for _ in range(MAX_FAILURES - 1):
            called(breaker, DOWN)
        called(breaker, other)
    for _ in range(MAX_FAILURES):
        called(breaker, DOWN)
    refusal(breaker)
    clock.now += OPEN_SECONDS
    called(breaker, other)  # as the trial it lets all others in again
    with breaker.call():
        called(breaker)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), *(ImageError(reason, "?") for reason in IGNORED_REASONS)], ids=repr
)
def test_errors_without_an_answer_do_not_change_the_breaker(error: BaseException) -> None:
    clock = Clock()
    breaker = Breaker("xAI", clock)
    for _ in range(MAX_FAILURES):
        called(breaker, error)
        called(breaker, DOWN)
    refusal(breaker)
    clock.now += OPEN_SECONDS
    called(breaker, error)  # as a trial it leaves the trial to the next call
    with breaker.call():
        refusal(breaker)
