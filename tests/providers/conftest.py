"""Fixtures that tests of the providers share: retries without a pause, and the jobs that callers wait for."""

from __future__ import annotations

import pytest

from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import Progress
from atelier.providers.jobs.runner import RunningJob
from atelier.providers.jobs.waiter import JobHandle, JobWaiter


@pytest.fixture(autouse=True)
def _no_backoff(impatient: object) -> None:  # pyright: ignore[reportUnusedFunction]
    """Retry at once, except where the vendor asks to wait."""


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that callers have begun to wait for, one after the other."""
    jobs, own = list[str](), JobWaiter.wait_for_result

    async def wait_for_result(
        counter: JobWaiter, running: RunningJob, on_progress: Progress, until: float
    ) -> ImageResult | JobHandle:
        jobs.append(running.id)
        return await own(counter, running, on_progress, until)

    monkeypatch.setattr(JobWaiter, "wait_for_result", wait_for_result)
    return jobs
