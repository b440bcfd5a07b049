"""Promises about requests and the key."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Model, Operation
from atelier.providers.testing.conformance.bench import Bench, Faults
from atelier.providers.testing.conformance.cases import Cell
from atelier.providers.testing.conformance.helpers import (
    PRIVATE_PROMPT,
    WRONG_KEY,
    RecordingStorage,
    all_requests,
    assert_only_the_vendor_saw_the_key,
    error_text,
    fields,
    is_for_another_host,
    open_pipeline,
    paid_requests,
    refused,
    run,
    without_free,
)
from atelier.providers.testing.server import Answer, Emulator

WIDE: tuple[dict[str, Any], ...] = (
    *({"size": size} for size in ("1536x1024", "1344x768", "1216x832", "1184x864", "1280x720", "512x256")),
    {"aspect_ratio": "3:2"},
    {"aspect_ratio": "16:9"},
)
"""Ways to ask for an image that is wider than high."""


def _is_taken(bench: Bench, host: Emulator, options: dict[str, Any]) -> bool:
    try:
        open_pipeline(bench, bench.environ(host)).prepare(bench.minimal_request(bench.default, **options))
    except ImageError:
        return False
    return True


class RequestPromises:
    """What is sent, and to whom."""

    def test_a_prompt_alone_sends_only_what_the_vendor_needs(
        self, bench: Bench, host: Emulator, generating: Model
    ) -> None:
        request = bench.minimal_request(generating, Operation.GENERATE)
        prepared = open_pipeline(bench, bench.environ(host)).prepare(request)
        assert fields(prepared.headers["content-type"], prepared.read()) == bench.minimal_body(generating)

    async def test_the_same_question_is_the_same_request(self, bench: Bench, host: Emulator, offered: Cell) -> None:
        request = bench.minimal_request(offered.model, offered.operation)
        first, second = (open_pipeline(bench, bench.environ(host)).prepare(request) for _ in range(2))
        assert (str(first.url), first.headers, first.read()) == (str(second.url), second.headers, second.read())
        shown = f"{first.url} {first.headers!r}".encode() + first.read()
        assert not bench.key or bench.key.encode() not in shown

    async def test_pictures_beyond_one_call_become_several_calls(self, bench: Bench, host: Emulator) -> None:
        result = await run(bench, host, bench.minimal_request(bench.default, count=3))
        assert len(result.images) == 3
        assert len(paid_requests(host)) == math.ceil(3 / bench.default.max_count)

    async def test_a_wide_image_is_wider_than_high(self, bench: Bench, host: Emulator) -> None:
        wide = next(filter(partial(_is_taken, bench, host), WIDE), None)
        if wide is None:
            return  # the default row has no shapes
        (image,) = (await run(bench, host, bench.minimal_request(bench.default, **wide))).images
        assert image.picture.width > image.picture.height, wide

    async def test_the_key_goes_to_the_vendor_and_not_along_with_downloads(
        self, bench: Bench, host: Emulator, key_faults: Faults
    ) -> None:
        await run(bench, host, bench.minimal_request(bench.default))
        assert paid_requests(host)
        assert_only_the_vendor_saw_the_key(bench, host)

    async def test_the_key_does_not_follow_a_link_to_another_host(
        self, bench: Bench, host: Emulator, link_elsewhere: Callable[[Any], None]
    ) -> None:
        link_elsewhere(host)
        try:
            await run(bench, host, bench.minimal_request(bench.default))
        except ImageError as error:  # a stranger may want the key that he did not get
            assert error.reason is Reason.AUTHENTICATION  # noqa: PT017
        assert any(is_for_another_host(request) for request in all_requests(bench, host))
        assert_only_the_vendor_saw_the_key(bench, host)

    @pytest.mark.parametrize("status", [302, 307, 308])
    async def test_a_paid_request_follows_no_redirect(
        self, bench: Bench, host: Emulator, faults: Faults, status: int
    ) -> None:
        host.next(Answer(status, b"", {"location": f"http://localhost:{host.port}/"}))
        error = await refused(bench, bench.environ(host), bench.minimal_request(bench.default))
        assert error.reason is Reason.INVALID_RESPONSE
        assert len(without_free(host, all_requests(bench, host))) == 1

    async def test_neither_key_nor_prompt_comes_back_in_an_error(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        host.next(faults.refused(f"Bad: {bench.key} asked for {PRIVATE_PROMPT}"))
        error = await refused(bench, bench.environ(host), bench.minimal_request(bench.default, prompt=PRIVATE_PROMPT))
        assert "Bad:" in error_text(error)
        assert not bench.key or bench.key not in error_text(error)
        assert PRIVATE_PROMPT not in error_text(error)

    async def test_no_key_is_in_a_record(self, bench: Bench, host: Emulator, faults: Faults) -> None:
        storage = RecordingStorage()
        await run(bench, host, bench.minimal_request(bench.default), storage=storage)
        (record,) = storage.records
        assert (record["provider"], record["model"], record["prompt"]) == (bench.name, bench.default.id, "a fox")
        assert not bench.key or bench.key not in repr(record)

    async def test_a_wrong_key_is_a_matter_of_authentication_and_not_repeated(
        self, bench: Bench, host: Emulator, key_faults: Faults
    ) -> None:
        error = await refused(bench, bench.environ(host, WRONG_KEY), bench.minimal_request(bench.default))
        assert (error.reason, error.retryable, len(paid_requests(host))) == (Reason.AUTHENTICATION, False, 1)
        assert WRONG_KEY not in error_text(error)

    async def test_a_missing_key_is_told_before_anything_is_sent(
        self, bench: Bench, host: Emulator, key_faults: Faults
    ) -> None:
        endpoint = bench.provider.endpoint
        environ = {endpoint.base_url_variable: host.url}
        error = await refused(bench, environ, bench.minimal_request(bench.default))
        assert error.reason is Reason.AUTHENTICATION
        assert all(name in error.hint for name in endpoint.key_variables), endpoint.key_variables
        assert all_requests(bench, host) == []
