"""What tests of the desk and of recovery share: a look at who waits."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import ImageResult, Progress
from atelier.providers.jobs.running_job import JobHandle, RunningJob
from atelier.providers.jobs.waiter import JobWaiter


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
