"""The breaker: opens when a vendor is down, says so, and lets one call try before all the others."""

from __future__ import annotations

import pytest

from atelier.providers.breaker import FAILURES, PAUSE, Breaker
from atelier.providers.core.errors import ImageError, Reason

DOWN = ImageError(Reason.PROVIDER_UNAVAILABLE, "down")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Breaker:
    breaker = Breaker("Stability AI", clock)
    for _ in range(FAILURES):
        breaker.check()
        breaker.note(DOWN)
    return breaker


def test_it_opens_after_failures_in_a_row_and_says_for_how_long() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 10
    with pytest.raises(ImageError) as caught:
        breaker.check()
    assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert caught.value.retry_after == PAUSE - 10
    assert "Stability AI failed 5 times in a row" in caught.value.message


def test_one_call_tries_when_the_pause_is_over_and_the_others_wait_for_it() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += PAUSE
    breaker.check()
    with pytest.raises(ImageError):
        breaker.check()
    breaker.note(None)
    breaker.check()
    breaker.check()


def test_a_failed_trial_opens_it_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += PAUSE
    breaker.check()
    breaker.note(DOWN)
    with pytest.raises(ImageError):
        breaker.check()


@pytest.mark.parametrize("other", [None, ImageError(Reason.CONTENT_POLICY, "no"), ImageError(Reason.TIMEOUT, "slow")])
def test_any_other_end_shows_that_the_vendor_is_there(other: ImageError | None) -> None:
    breaker = Breaker("xAI", Clock())
    for _ in range(3 * FAILURES):
        breaker.note(DOWN)
        breaker.note(other)
        breaker.check()


def test_a_caller_who_goes_away_says_nothing_about_the_vendor() -> None:
    breaker = opened(Clock())
    breaker.note(KeyboardInterrupt())
    with pytest.raises(ImageError):
        breaker.check()
