"""The breaker: opens when a vendor is down, says so, and lets one call try before all the others."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.transport.resilience.breaker import IGNORED_REASONS, MAX_FAILURES, OPEN_SECONDS, Breaker

DOWN = ImageError(Reason.PROVIDER_UNAVAILABLE, "down")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def called(breaker: Breaker, end: BaseException | None = None) -> None:
    """A call that is let in and ends like this; one that is not let in is a failure of the test."""
    try:
        with breaker.call():
            if end:
                raise end
    except BaseException as error:
        if error is not end:
            raise


def refusal(breaker: Breaker) -> ImageError:
    """What a call is told that is not let in."""
    with pytest.raises(ImageError) as caught, breaker.call():
        raise AssertionError("it was let in")
    return caught.value


def opened(clock: Clock) -> Breaker:
    breaker = Breaker("Stability AI", clock)
    for _ in range(MAX_FAILURES):
        called(breaker, DOWN)
    return breaker


def test_it_opens_after_failures_in_a_row_and_says_for_how_long() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 10
    error = refusal(breaker)
    assert error.reason is Reason.PROVIDER_UNAVAILABLE
    assert error.retry_after == OPEN_SECONDS - 10
    assert "Stability AI failed 5 times in a row, so it is not called for 20 s" in error.message


def test_one_call_tries_when_the_pause_is_over_and_the_others_are_refused_however_long_it_takes() -> None:
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


def test_a_failed_trial_opens_it_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += OPEN_SECONDS
    called(breaker, DOWN)
    assert refusal(breaker).retry_after == OPEN_SECONDS


def test_a_trial_that_is_called_off_leaves_the_trying_to_the_next() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += OPEN_SECONDS
    called(breaker, KeyboardInterrupt())
    with breaker.call():
        refusal(breaker)


def test_a_trial_of_before_does_not_count_once_another_call_has_shown_that_the_vendor_is_back() -> None:
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
"""Ends of a call that the vendor answered: a success, and every refusal."""


@pytest.mark.parametrize("answered", ANSWERED)
def test_any_other_end_shows_that_the_vendor_is_there(answered: Reason | None) -> None:
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
    "silence", [KeyboardInterrupt(), *(ImageError(reason, "?") for reason in IGNORED_REASONS)], ids=repr
)
def test_who_goes_away_or_hears_nothing_can_say_nothing_about_the_vendor(silence: BaseException) -> None:
    clock = Clock()
    breaker = Breaker("xAI", clock)
    for _ in range(MAX_FAILURES):
        called(breaker, silence)
        called(breaker, DOWN)
    refusal(breaker)
    clock.now += OPEN_SECONDS
    called(breaker, silence)  # as a trial it leaves the trying to the next
    with breaker.call():
        refusal(breaker)
