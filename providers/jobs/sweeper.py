"""The jobs of processes that died, taken up one after the other by whoever looks first."""

from __future__ import annotations

import logging
from collections.abc import Callable

from atelier.providers.core.errors import ImageError
from atelier.providers.jobs.outcome import error_json
from atelier.providers.jobs.recovery import LOST, is_at_home, recover_job
from atelier.providers.jobs.running_job import COLLECTING, RunningJob
from atelier.providers.pipeline.job_store import JobRow
from atelier.providers.pipeline.pipeline import Pipeline

log = logging.getLogger("atelier")


class OrphanSweeper:
    """Those of one journal. `start` runs a job of which something can still be collected."""

    def __init__(self, pipeline: Pipeline, start: Callable[[RunningJob], None]) -> None:
        self._pipeline = pipeline
        self._start = start
        self._left = list[JobRow]()

    async def take_up(self) -> None:
        """Collect what can be, say of the rest what is known. Raises storage_failed when the journal cannot be read.

        They are this process's once claimed, so it is not to be broken off: see `SingleFlight`, whose turns
        also keep one from beginning before another has ended. One whose pictures cannot be looked for just now is left
        for the next time.
        """
        self._left += await self._pipeline.journal.claim_orphaned_jobs(self._ours)
        for row in list(self._left):
            if await self._taken_up(row):
                self._left.remove(row)

    async def _taken_up(self, row: JobRow) -> bool:
        """Whether it has ended or runs again."""
        try:
            salvage = await recover_job(self._pipeline.of(row.caller), row)
        except ImageError as error:
            log.warning("job not taken up", extra={"facts": {"job": row.id, "why": error.message}})
            return False
        except Exception:  # one job that cannot be understood must not stop the others, nor stay as it is
            log.exception("job not taken up", extra={"facts": {"job": row.id}})
            await self._pipeline.journal.finish_job(row.id, "unknown", error_json(LOST))
            return True
        if salvage:
            mark = (row.caller, row.id)
            found, notes = salvage.found, salvage.notes
            self._start(RunningJob(work=salvage.work, mark=mark, found=found, notes=notes, latest=COLLECTING))
        return True

    def _ours(self, caller: str, home: str) -> bool:
        """Whether this process keeps that caller's pictures where the job's are."""
        return is_at_home(self._pipeline.of(caller), home)
