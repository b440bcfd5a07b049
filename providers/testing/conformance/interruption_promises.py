"""Promises about callers and processes that end in the middle of a call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest, Model
from atelier.providers.testing.conformance.bench import TODAY, Bench, Faults
from atelier.providers.testing.conformance.helpers import (
    RecordingStorage,
    all_requests,
    open_pipeline,
    paid_requests,
)
from atelier.providers.testing.killed import left_behind, recovered
from atelier.providers.testing.server import Emulator, Held
from atelier.providers.testing.waiting import leave
from atelier.providers.transport.network.http_client import vendor_client
from atelier.providers.transport.wire import Wire


class InterruptionPromises:
    """Callers that are cancelled, and processes that are killed."""

    async def test_cancelled_while_it_waits_for_a_turn_it_sends_nothing(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        storage, request = RecordingStorage(), bench.minimal_request(bench.default)
        held, waiting = Held(), anyio.Event()
        host.next(held)
        environ = bench.environ(host)

        async def on_progress(message: str) -> None:
            if "Waiting" in message:
                waiting.set()

        async with (
            open_pipeline(bench, environ, concurrency=1, storage=storage) as pipeline,
            anyio.create_task_group() as all,
        ):
            all.start_soon(pipeline.run, request)
            await held.arrival()
            await leave(lambda: pipeline.run(request, on_progress=on_progress), waiting.wait)
            held.go.set()
        assert len(paid_requests(host)) == 1
        assert len(storage.records) == 1

    async def test_cancelled_after_it_was_sent_the_picture_is_stored(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        storage, held, request = RecordingStorage(), Held(), bench.minimal_request(bench.default)
        host.next(held)
        async with open_pipeline(bench, bench.environ(host), storage=storage) as pipeline:
            await leave(lambda: pipeline.run(request), held.arrival, then=held.go.set)
        assert len(paid_requests(host)) == 1
        assert len(storage.records) == 1

    def test_a_vendor_that_answers_with_tasks_or_links_can_collect_them(self, bench: Bench) -> None:
        assert (bench.provider.collect is not None) == (bench.collectable_model is not None)

    async def test_an_image_that_a_killed_process_had_ordered_is_collected_once_and_not_ordered_again(
        self, bench: Bench, host: Emulator, collectable_model: Callable[[Any], Model], tmp_path: Path
    ) -> None:
        no_files = {"ATELIER_CONFIG": os.devnull, "ATELIER_DOTENV": "off"}
        folders = {"ATELIER_OUTPUT_DIR": str(tmp_path / "out"), "ATELIER_STATE_DIR": str(tmp_path / "state")}
        environ, request = (
            {**bench.environ(host), **no_files, **folders},
            bench.minimal_request(collectable_model(host)),
        )
        task = await ordered(bench, environ, request)
        job, _ = await left_behind(environ, lambda: TODAY, request, sent=True, task=task)
        result, calls = await recovered(environ, lambda: TODAY, job)
        assert isinstance(result, ImageResult)
        assert (result.id, len(result.images)) == (job, 1)
        assert result.images[0].picture.image_bytes
        assert [call.state for call in calls] == ["settled"]
        sent = len(all_requests(bench, host))
        again, _ = await recovered(environ, lambda: TODAY, job)
        assert [image.stored for image in again.images] == [image.stored for image in result.images]
        assert len(all_requests(bench, host)) == sent
        assert len(paid_requests(host)) == 1


class KilledError(BaseException):
    """The end of a process, right after it has stored the vendor's task."""


async def ordered(bench: Bench, environ: Mapping[str, str], request: ImageRequest) -> Mapping[str, Any]:
    """Return the vendor task that a process stored just before it was killed."""
    noted = list[Mapping[str, Any]]()

    async def note(task: Mapping[str, Any]) -> None:
        noted.append(task)
        raise KilledError

    pipeline = open_pipeline(bench, environ)
    prepared, job = pipeline.prepare(request), pipeline.admit(request).job
    async with vendor_client(job.endpoint, 30.0) as http:
        wire = Wire(
            http,
            job.endpoint,
            bench.provider.explain,
            key=bench.key,
            credentials=bench.provider.credentials,
            save_vendor_task=note,
        )
        with pytest.raises(KilledError):
            await bench.provider.read(await wire.send(prepared), job, wire)
    return noted[0]
