"""Promises about failures, odd bodies, partial results and cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from atelier.providers.core.errors import Reason
from atelier.providers.testing.conformance.bench import Bench, Faults
from atelier.providers.testing.conformance.failures import Failure
from atelier.providers.testing.conformance.helpers import (
    MAX_REQUESTS,
    RecordingStorage,
    open_pipeline,
    paid_requests,
    refused,
    run,
)
from atelier.providers.testing.conformance.odd_bodies import Rewritten
from atelier.providers.testing.server import Emulator


class FailurePromises:
    """What a caller gets when something goes wrong, and what it costs."""

    async def test_a_failure_has_its_reason_and_only_a_safe_one_is_repeated(
        self, bench: Bench, host: Emulator, failure: Failure
    ) -> None:
        failure.where(host).next(*[failure.fault] * 40)
        storage, request = RecordingStorage(), bench.minimal_request(bench.default)
        error = await refused(bench, bench.environ(host), request, timeout=failure.deadline, storage=storage)
        assert error.reason is failure.reason
        assert failure.unknown in (None, error.outcome_unknown)
        assert 1 < len(paid_requests(host)) <= MAX_REQUESTS if failure.again else len(paid_requests(host)) == 1
        assert storage.records == []

    async def test_after_passing_failures_the_picture_comes(self, bench: Bench, host: Emulator, faults: Faults) -> None:
        host.next(faults.broken_server, faults.too_many(0))
        result = await run(bench, host, bench.minimal_request(bench.default))
        assert result.images
        assert len(paid_requests(host)) == 3

    async def test_the_wait_that_the_vendor_asks_for_is_kept_and_told(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        messages: list[str] = []

        async def on_progress(message: str) -> None:
            messages.append(message)

        host.next(faults.too_many(0.3))
        began = time.monotonic()
        async with open_pipeline(bench, bench.environ(host)) as pipeline:
            await pipeline.run(bench.minimal_request(bench.default), on_progress=on_progress)
        assert time.monotonic() - began >= 0.3
        assert len(paid_requests(host)) == 2
        assert any("asked to wait" in message for message in messages), messages

    async def test_a_wait_too_long_to_sit_through_is_told_instead(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        host.next(faults.too_many(90))
        error = await refused(bench, bench.environ(host), bench.minimal_request(bench.default))
        assert (error.reason, error.retry_after, len(paid_requests(host))) == (Reason.RATE_LIMITED, 90, 1)

    async def test_a_closed_port_is_a_network_error_that_cost_nothing(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        environ = {**bench.environ(host), bench.provider.endpoint.base_url_variable: "http://127.0.0.1:9"}
        error = await refused(bench, environ, bench.minimal_request(bench.default))
        assert (error.reason, error.outcome_unknown) == (Reason.NETWORK_ERROR, False)

    async def test_paid_pictures_are_delivered_when_another_call_fails(
        self, bench: Bench, host: Emulator, one_by_one: Faults
    ) -> None:
        bench.delivers(host).next(one_by_one.moderated[0])
        result = await run(bench, host, bench.minimal_request(bench.default, count=3))
        assert len(result.images) == 2
        assert "Only 2 of 3" in result.warnings[0]

    async def test_an_image_that_is_missing_from_an_answer_is_told(
        self, bench: Bench, host: Emulator, deliver_one: Callable[[Any], None]
    ) -> None:
        deliver_one(host)
        result = await run(bench, host, bench.minimal_request(bench.default, count=2))
        assert len(result.images) == 1
        assert any("1 of 2" in warning for warning in result.warnings), result.warnings

    async def test_odd_bytes_around_an_image_do_not_cost_it(
        self, bench: Bench, host: Emulator, odd: Callable[[bytes], bytes]
    ) -> None:
        host.next(Rewritten(odd))
        result = await run(bench, host, bench.minimal_request(bench.default))
        assert len(result.images) == 1
        assert len(paid_requests(host)) == 1

    async def test_what_was_billed_is_in_the_result_and_in_the_record(self, bench: Bench, host: Emulator) -> None:
        storage = RecordingStorage()
        result = await run(bench, host, bench.minimal_request(bench.default), storage=storage)
        (record,) = storage.records
        assert (result.actual_usd is not None) == bench.has_prices
        assert not host.billed or result.actual_usd == sum(bill.usd for bill in host.billed)
        assert record["call_usd"] == (None if result.actual_usd is None else float(result.actual_usd))
