"""The suite: what every vendor promises, through the real pipeline against its emulator.

A test module derives a class from `Conformance` and names its benches there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from email import message_from_bytes
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from pydantic_core import from_json

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.environment import variable
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.gates.option_gates import SAFE_PROMPT
from atelier.providers.core.results import AssetHandle, ImageResult
from atelier.providers.core.types import ImageRequest, Model, Operation, Picture
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.transport.network.http_client import vendor_client
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.registry import all_providers
from tests.conformance.bench import Bench, Faults
from tests.conformance.cases import CASES, COMPANIONS, Cell, Change, Column, Failure, with_speed
from tests.conftest import TODAY
from tests.emulators.server import Answer, Emulator, Held, Received
from tests.exhaustive import parameters
from tests.providers.jobs.recovery.conftest import left_behind, recovered
from tests.vendors import only
from tests.waiting import leave

MOST_REQUESTS = 6
WRONG_KEY = "wrong-key-0123456789"
SECRET = "the secret garden of my aunt"


class AssetReader:
    """A storage that remembers."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        self.records.append(record)
        return AssetHandle(id=id)


def studio(bench: Bench, environ: Mapping[str, str], *, timeout: float = 30.0, **options: Any) -> Pipeline:
    """The pipeline over the whole catalogue, so that a refusal can name another vendor's model."""
    others = tuple(provider for provider in all_providers() if provider.name != bench.name)
    catalog = Catalog(partial(variable, environ), lambda: TODAY, only(bench.provider, *others))
    return Pipeline(catalog, timeout=timeout, **options)


async def run(bench: Bench, host: Emulator, request: ImageRequest, **options: Any) -> ImageResult:
    async with studio(bench, bench.environ(host), **options) as pipeline:
        return await pipeline.run(request)


async def refused(bench: Bench, environ: Mapping[str, str], request: ImageRequest, **options: Any) -> ImageError:
    """The refusal, which says what happened and what to do."""
    async with studio(bench, environ, **options) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(request)
    assert caught.value.message
    assert caught.value.hint
    return caught.value


def orders(host: Emulator) -> list[Received]:
    """The requests that cost money."""
    return [request for request in list(host.requests) if request.method == "POST"]


def everything(bench: Bench, host: Emulator) -> list[Received]:
    hosts = {id(each): each for each in (host, bench.delivers(host))}
    return [request for each in hosts.values() for request in each.requests]


def told(error: ImageError) -> str:
    return f"{error!r} {error.message} {error.hint} {error.facts}"


def fields(content_type: str, body: bytes) -> dict[str, Any]:
    """A body as names and values: JSON, or a form, whose files are told by their size."""
    if content_type.startswith("application/json"):
        return from_json(body)
    form = message_from_bytes(b"content-type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts: Any = form.get_payload()
    return {
        part.get_param("name", header="content-disposition"): len(part.get_payload(decode=True))
        if part.get_filename()
        else part.get_payload()
        for part in parts
    }


def leaves(value: Any) -> Iterator[Any]:
    """Every value of a body, however deep."""
    match value:
        case dict() | list():
            inner: Any = value  # pyright: ignore[reportUnknownVariableType] - what JSON holds
            for each in inner.values() if isinstance(value, dict) else inner:
                yield from leaves(each)
        case _:
            yield value


def same(prepared: httpx.Request, fired: Received, key_header: str) -> bool:
    """Whether what was shown is what was sent; key, host and length are the wire's business, as are client headers."""
    shown = {name: value for name, value in prepared.headers.items() if name not in ("host", "content-length")}
    sent = {name: value for name, value in fired.headers.items() if name in shown}
    whole = (prepared.method, prepared.url.path, prepared.read()) == (fired.method, fired.path, fired.body)
    return whole and shown == sent and key_header not in shown


def altered(request: ImageRequest, change: Change) -> ImageRequest:
    """The request with a change; options come on top of those that the operation needs."""
    options = {**request.options, **change.get("options", {})}
    return replace(request, **{**change, "options": options})


class Conformance:
    """One test for each promise; `benches` are those who are to keep them."""

    benches: ClassVar[tuple[Bench, ...]] = ()
    pytestmark = pytest.mark.anyio

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """The argument of a test says on what it is tried."""
        for name in (name for name in CASES if name in metafunc.fixturenames):
            found = [(bench, *case) for bench in self.benches for case in with_speed(bench, CASES[name](bench))]
            cases = [
                parameters(bench, case, is_fast=is_fast, id=f"{bench.name}: {words}")
                for bench, case, words, is_fast in found
            ]
            metafunc.parametrize(("bench", name), cases)
            return
        if "bench" in metafunc.fixturenames:
            metafunc.parametrize("bench", self.benches, ids=lambda bench: bench.name)

    @pytest.fixture
    def host(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
        """An emulator for one test; there is no pause between tries, except what the vendor asks for."""

        def least(low: float, high: float) -> float:
            return low

        monkeypatch.setattr("random.uniform", least)
        host = bench.host()
        with host.serving():
            bench.stage(host, monkeypatch)
            yield host

    # The matrix

    async def test_an_offered_operation_makes_a_picture_of_what_was_prepared(
        self, bench: Bench, host: Emulator, offered: Cell
    ) -> None:
        request = bench.least_request(offered.model, offered.operation)
        async with studio(bench, bench.environ(host)) as pipeline:
            prepared = pipeline.prepare(request)
            result = await pipeline.run(request)
        (order,) = orders(host)
        assert same(prepared, order, bench.provider.endpoint.key_header.lower())
        assert None not in leaves(fields(order.headers["content-type"], order.body))
        assert bench.dropped(host) == []
        (image,) = result.images
        assert image.image_bytes
        assert (result.provider, result.model) == (bench.name, offered.model.id)
        stage = offered.model.lifecycle.at(TODAY)
        for word in ("deprecated", "retired"):
            assert any(word in warning for warning in result.warnings) == (stage == word)

    async def test_an_operation_that_is_not_offered_is_refused_and_who_offers_it_is_named(
        self, bench: Bench, host: Emulator, missing: Cell
    ) -> None:
        request = bench.asked_of_anyone(missing.model, missing.operation)
        error = await refused(bench, bench.environ(host), request)
        assert error.reason is Reason.UNSUPPORTED_OPERATION
        able = {
            row.id
            for row in (*bench.provider.models, *(row for provider in all_providers() for row in provider.models))
            if missing.operation in row.operations and row.lifecycle.at(TODAY) != "retired"
        }
        named = set(error.facts.get("models", ()))
        assert named <= able
        assert bool(named) == bool(able)
        assert not able or any(id in error.hint for id in named)
        assert everything(bench, host) == []

    async def test_an_option_that_a_row_lacks_is_refused_by_name(
        self, bench: Bench, host: Emulator, untaken: Column
    ) -> None:
        for change in untaken.changes:
            request = altered(bench.least_request(untaken.model), change)
            error = await refused(bench, bench.environ(host), request)
            assert error.reason is Reason.UNSUPPORTED_OPTION, change
            assert error.facts["option"] in (untaken.option, *change.get("options", ())), change
        assert everything(bench, host) == []

    async def test_a_value_beyond_the_limit_of_an_option_is_refused_with_what_it_may_be(
        self, bench: Bench, host: Emulator, limited: Column
    ) -> None:
        for change in limited.changes:
            error = await refused(bench, bench.environ(host), altered(bench.least_request(limited.model), change))
            assert error.reason is Reason.UNSUPPORTED_OPTION, change
            assert error.facts["option"] in change["options"], change
            assert error.facts["offered"][0] in error.hint
        assert everything(bench, host) == []

    def test_what_the_values_of_every_option_may_be_is_known(self, bench: Bench) -> None:
        for row in bench.provider.models:
            assert {limit.option for limit in row.limits} == row.options, row.id

    async def test_what_makes_no_sense_is_an_invalid_request(
        self, bench: Bench, host: Emulator, malformed: Column
    ) -> None:
        for change in malformed.changes:
            error = await refused(bench, bench.environ(host), altered(bench.least_request(malformed.model), change))
            assert error.reason is Reason.INVALID_REQUEST, change
        assert everything(bench, host) == []

    def test_an_option_that_a_row_lists_reaches_the_wire_or_is_refused(self, bench: Bench, taken: Column) -> None:
        elsewhere = {bench.provider.endpoint.base_url_variable: "http://127.0.0.1:9"}  # where retired rows are tried
        pipeline, reached = studio(bench, elsewhere), list[bool]()
        for operation in taken.model.operations:
            plain = bench.least_request(taken.model, operation)
            for change in taken.changes:
                without: Change = {"output_format": change["output_format"]} if "compression" in change else {}
                without = {**without, "options": COMPANIONS.get(taken.option, {})}
                asked, silent = altered(plain, change), altered(plain, without)
                if asked == silent or ("mask" in change and not plain.sources):  # nothing for a mask to lie on
                    continue
                if "mask" in change and operation is Operation.VARIATION:  # dropped with a warning
                    continue
                if SAFE_PROMPT in asked.options:  # for the pipeline; the vendor is not sent it
                    continue
                try:
                    sent = pipeline.prepare(asked)
                except ImageError as error:
                    reached.append(False)
                    refusals = (Reason.UNSUPPORTED_OPTION, Reason.INVALID_REQUEST)
                    assert error.reason in refusals[int("options" in change) :], (operation, change)  # noqa: PT017
                else:
                    plainly = pipeline.prepare(silent)
                    assert (sent.url, sent.read()) != (plainly.url, plainly.read()), (operation, change)
                    reached.append(True)
        assert any(reached) or not reached, "every operation refuses it"

    async def test_a_row_that_the_vendor_file_cannot_speak_is_refused(
        self, bench: Bench, host: Emulator, own_refusal: Model
    ) -> None:
        error = await refused(bench, bench.environ(host), bench.least_request(own_refusal))
        assert error.reason is bench.refuses[own_refusal.id]
        assert everything(bench, host) == []

    def test_on_the_vendors_own_host_a_row_dies_by_the_calendar(self, bench: Bench, fading: Model) -> None:
        pipeline = studio(bench, {})
        request = bench.least_request(fading)
        if fading.lifecycle.at(TODAY) == "retired":
            with pytest.raises(ImageError) as caught:
                pipeline.admit(request)
            assert caught.value.reason is Reason.MODEL_RETIRED
            assert caught.value.facts["successor"] == fading.lifecycle.successor
            assert str(fading.lifecycle.successor) in caught.value.hint
        else:
            warning, *_ = pipeline.admit(request).warnings
            assert "deprecated" in warning
            assert not fading.lifecycle.on or fading.lifecycle.on.isoformat() in warning

    def test_the_default_is_current_and_can_generate(self, bench: Bench) -> None:
        assert bench.default.lifecycle.at(TODAY) == "current"
        assert Operation.GENERATE in bench.default.operations

    # The wire

    def test_a_prompt_alone_sends_only_what_the_vendor_needs(
        self, bench: Bench, host: Emulator, generating: Model
    ) -> None:
        request = bench.least_request(generating, Operation.GENERATE)
        prepared = studio(bench, bench.environ(host)).prepare(request)
        assert fields(prepared.headers["content-type"], prepared.read()) == bench.least(generating)

    async def test_the_same_question_is_the_same_request(self, bench: Bench, host: Emulator, offered: Cell) -> None:
        request = bench.least_request(offered.model, offered.operation)
        first, second = (studio(bench, bench.environ(host)).prepare(request) for _ in range(2))
        assert (str(first.url), first.headers, first.read()) == (str(second.url), second.headers, second.read())
        shown = f"{first.url} {first.headers!r}".encode() + first.read()
        assert not bench.key or bench.key.encode() not in shown

    async def test_pictures_beyond_one_call_become_several_calls(self, bench: Bench, host: Emulator) -> None:
        result = await run(bench, host, bench.least_request(bench.default, count=3))
        assert len(result.images) == 3
        assert len(orders(host)) == math.ceil(3 / bench.default.max_count)

    # The key

    async def test_the_key_goes_to_the_vendor_and_not_along_with_downloads(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        await run(bench, host, bench.least_request(bench.default))
        assert orders(host)
        assert_only_the_vendor_saw_the_key(bench, host)

    async def test_the_key_does_not_follow_a_link_to_another_host(
        self, bench: Bench, host: Emulator, astray: Callable[[Any], None]
    ) -> None:
        astray(host)
        try:
            await run(bench, host, bench.least_request(bench.default))
        except ImageError as error:  # a stranger may want the key that he did not get
            assert error.reason is Reason.AUTHENTICATION  # noqa: PT017
        assert any(is_a_strangers(request) for request in everything(bench, host))
        assert_only_the_vendor_saw_the_key(bench, host)

    @pytest.mark.parametrize("status", [302, 307, 308])
    async def test_a_paid_request_follows_no_redirect(
        self, bench: Bench, host: Emulator, faults: Faults, status: int
    ) -> None:
        host.next(Answer(status, b"", {"location": f"http://localhost:{host.port}/"}))
        error = await refused(bench, bench.environ(host), bench.least_request(bench.default))
        assert error.reason is Reason.INVALID_RESPONSE
        assert len(everything(bench, host)) == 1

    async def test_neither_key_nor_prompt_comes_back_in_an_error(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        host.next(faults.refused(f"Bad: {bench.key} asked for {SECRET}"))
        error = await refused(bench, bench.environ(host), bench.least_request(bench.default, prompt=SECRET))
        assert "Bad:" in told(error)
        assert bench.key not in told(error)
        assert SECRET not in told(error)

    async def test_no_key_is_in_a_record(self, bench: Bench, host: Emulator, faults: Faults) -> None:
        shelf = AssetReader()
        await run(bench, host, bench.least_request(bench.default), storage=shelf)
        (record,) = shelf.records
        assert (record["provider"], record["model"], record["prompt"]) == (bench.name, bench.default.id, "a fox")
        assert bench.key not in repr(record)

    async def test_a_wrong_key_is_a_matter_of_authentication_and_not_repeated(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        error = await refused(bench, bench.environ(host, WRONG_KEY), bench.least_request(bench.default))
        assert (error.reason, error.retryable, len(orders(host))) == (Reason.AUTHENTICATION, False, 1)
        assert WRONG_KEY not in told(error)

    async def test_a_missing_key_is_told_before_anything_is_sent(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        endpoint = bench.provider.endpoint
        environ = {endpoint.base_url_variable: host.url}
        error = await refused(bench, environ, bench.least_request(bench.default))
        assert error.reason is Reason.AUTHENTICATION
        assert all(name in error.hint for name in endpoint.key_variables), endpoint.key_variables
        assert everything(bench, host) == []

    # What goes wrong

    async def test_a_failure_has_its_reason_and_only_a_safe_one_is_repeated(
        self, bench: Bench, host: Emulator, failure: Failure
    ) -> None:
        failure.where(host).next(*[failure.fault] * 40)
        shelf, request = AssetReader(), bench.least_request(bench.default)
        error = await refused(bench, bench.environ(host), request, timeout=failure.deadline, storage=shelf)
        assert error.reason is failure.reason
        assert failure.unknown in (None, error.outcome_unknown)
        assert 1 < len(orders(host)) <= MOST_REQUESTS if failure.again else len(orders(host)) == 1
        assert shelf.records == []

    async def test_after_passing_failures_the_picture_comes(self, bench: Bench, host: Emulator, faults: Faults) -> None:
        host.next(faults.broken_server, faults.too_many(0))
        result = await run(bench, host, bench.least_request(bench.default))
        assert result.images
        assert len(orders(host)) == 3

    async def test_the_wait_that_the_vendor_asks_for_is_kept_and_told(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        said: list[str] = []

        async def on_progress(message: str) -> None:
            said.append(message)

        host.next(faults.too_many(0.3))
        began = time.monotonic()
        async with studio(bench, bench.environ(host)) as pipeline:
            await pipeline.run(bench.least_request(bench.default), on_progress=on_progress)
        assert time.monotonic() - began >= 0.3
        assert len(orders(host)) == 2
        assert any("asked to wait" in message for message in said), said

    async def test_a_wait_too_long_to_sit_through_is_told_instead(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        host.next(faults.too_many(90))
        error = await refused(bench, bench.environ(host), bench.least_request(bench.default))
        assert (error.reason, error.retry_after, len(orders(host))) == (Reason.RATE_LIMITED, 90, 1)

    async def test_a_closed_port_is_a_network_error_that_cost_nothing(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        environ = {**bench.environ(host), bench.provider.endpoint.base_url_variable: "http://127.0.0.1:9"}
        error = await refused(bench, environ, bench.least_request(bench.default))
        assert (error.reason, error.outcome_unknown) == (Reason.NETWORK_ERROR, False)

    async def test_paid_pictures_are_delivered_when_another_call_fails(
        self, bench: Bench, host: Emulator, one_by_one: Faults
    ) -> None:
        bench.delivers(host).next(one_by_one.moderated[0])
        result = await run(bench, host, bench.least_request(bench.default, count=3))
        assert len(result.images) == 2
        assert "Only 2 of 3" in result.warnings[0]

    # A caller who goes away

    async def test_cancelled_while_it_waits_for_a_turn_it_sends_nothing(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        shelf, request = AssetReader(), bench.least_request(bench.default)
        held, waiting = Held(), anyio.Event()
        host.next(held)
        environ = bench.environ(host)

        async def on_progress(message: str) -> None:
            if "Waiting" in message:
                waiting.set()

        async with studio(bench, environ, concurrency=1, storage=shelf) as pipeline, anyio.create_task_group() as all:
            all.start_soon(pipeline.run, request)
            await held.arrival()
            await leave(lambda: pipeline.run(request, on_progress=on_progress), waiting.wait)
            held.go.set()
        assert len(orders(host)) == 1
        assert len(shelf.records) == 1

    async def test_cancelled_after_it_was_sent_the_picture_is_stored(
        self, bench: Bench, host: Emulator, faults: Faults
    ) -> None:
        shelf, held, request = AssetReader(), Held(), bench.least_request(bench.default)
        host.next(held)
        async with studio(bench, bench.environ(host), storage=shelf) as pipeline:
            await leave(lambda: pipeline.run(request), held.arrival, then=held.go.set)
        assert len(orders(host)) == 1
        assert len(shelf.records) == 1

    # A process that dies

    def test_a_vendor_that_answers_with_tasks_or_links_can_collect_them(self, bench: Bench) -> None:
        assert (bench.provider.collect is not None) == (bench.answers_later is not None)

    async def test_an_image_that_a_killed_process_had_ordered_is_collected_once_and_not_ordered_again(
        self, bench: Bench, host: Emulator, answers_later: Callable[[Any], Model], tmp_path: Path
    ) -> None:
        folders = {"ATELIER_OUTPUT_DIR": str(tmp_path / "out"), "ATELIER_STATE_DIR": str(tmp_path / "state")}
        environ, request = {**bench.environ(host), **folders}, bench.least_request(answers_later(host))
        task = await ordered(bench, environ, request)
        job, _ = await left_behind(environ, lambda: TODAY, request, sent=True, task=task)
        result, calls = await recovered(environ, lambda: TODAY, job)
        assert isinstance(result, ImageResult)
        assert (result.id, len(result.images)) == (job, 1)
        assert result.images[0].picture.image_bytes
        assert [call.state for call in calls] == ["settled"]
        asked = len(everything(bench, host))
        again, _ = await recovered(environ, lambda: TODAY, job)
        assert [image.stored for image in again.images] == [image.stored for image in result.images]
        assert len(everything(bench, host)) == asked
        assert len(orders(host)) == 1


class KilledError(BaseException):
    """The end of a process, right after it has written down by what name the vendor knows the work."""


async def ordered(bench: Bench, environ: Mapping[str, str], request: ImageRequest) -> Mapping[str, Any]:
    """The vendor task that a process has noted which is then killed."""
    noted = list[Mapping[str, Any]]()

    async def note(task: Mapping[str, Any]) -> None:
        noted.append(task)
        raise KilledError

    pipeline = studio(bench, environ)
    prepared, job = pipeline.prepare(request), pipeline.admit(request).job
    async with vendor_client(job.endpoint, 30.0) as http:
        wire = Wire(http, job.endpoint, bench.provider.explain, key=bench.key, save_vendor_task=note)
        with pytest.raises(KilledError):
            await bench.provider.read(await wire.send(prepared), job, wire)
    return noted[0]


def is_a_strangers(request: Received) -> bool:
    """Whether it was sent to another name than that of the base URL."""
    return not request.headers["host"].startswith("127.0.0.1:")


def assert_only_the_vendor_saw_the_key(bench: Bench, host: Emulator) -> None:
    for request in everything(bench, host):
        ours = not is_a_strangers(request) and not request.path.startswith(bench.downloads)
        shown = bench.key in request.headers.get(bench.provider.endpoint.key_header.lower(), "")
        assert shown == ours, request.path
        assert bench.key not in f"{request.path} {request.body!r}"
        assert ours or bench.key not in repr(request.headers)
