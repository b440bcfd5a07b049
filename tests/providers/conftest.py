"""What tests of the desk and of recovery share: a look at who waits."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import ImageResult, Tell
from atelier.providers.jobs.waiter import Counter
from atelier.providers.jobs.running_job import Live, Running


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that callers have begun to wait for, one after the other."""
    jobs, own = list[str](), Counter.awaited

    async def awaited(counter: Counter, live: Live, tell: Tell, until: float) -> ImageResult | Running:
        jobs.append(live.id)
        return await own(counter, live, tell, until)

    monkeypatch.setattr(Counter, "awaited", awaited)
    return jobs
