"""Promises about what the vendor's rows offer: operations, options, limits, lifecycles, links."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.gates.option_gates import SAFE_PROMPT
from atelier.providers.core.types import Model, Operation
from atelier.providers.testing.conformance.bench import TODAY, Bench
from atelier.providers.testing.conformance.cases import Cell, Column
from atelier.providers.testing.conformance.columns import COMPANIONS, Change
from atelier.providers.testing.conformance.helpers import (
    all_requests,
    altered,
    fields,
    open_pipeline,
    paid_requests,
    refused,
    run,
    same,
    values_in,
)
from atelier.providers.testing.server import Emulator
from atelier.providers.vendors.registry import all_providers


class OptionPromises:
    """Every cell and every column of the vendor's rows."""

    async def test_an_offered_operation_makes_a_picture_of_what_was_prepared(
        self, bench: Bench, host: Emulator, offered: Cell
    ) -> None:
        request = bench.minimal_request(offered.model, offered.operation)
        async with open_pipeline(bench, bench.environ(host)) as pipeline:
            prepared = pipeline.prepare(request)
            result = await pipeline.run(request)
        (order,) = paid_requests(host)
        assert same(prepared, order, bench)
        assert None not in values_in(fields(order.headers["content-type"], order.body))
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
        request = bench.request_of_any_caller(missing.model, missing.operation)
        error = await refused(bench, bench.environ(host), request)
        assert error.reason is Reason.UNSUPPORTED_OPERATION
        able = {
            provider.model_name(row.id)
            for provider in (bench.provider, *all_providers())
            for row in provider.models
            if missing.operation in row.operations and row.lifecycle.at(TODAY) != "retired"
        }
        named = set(error.facts.get("models", ()))
        assert named <= able
        assert bool(named) == bool(able)
        assert not able or any(id in error.hint for id in named)
        assert all_requests(bench, host) == []

    async def test_an_option_that_a_row_lacks_is_refused_by_name(
        self, bench: Bench, host: Emulator, untaken: Column
    ) -> None:
        for change in untaken.changes:
            request = altered(bench.minimal_request(untaken.model), change)
            error = await refused(bench, bench.environ(host), request)
            assert error.reason is Reason.UNSUPPORTED_OPTION, change
            assert error.facts["option"] in (untaken.option, *change.get("options", ())), change
        assert all_requests(bench, host) == []

    async def test_a_value_beyond_the_limit_of_an_option_is_refused_with_what_it_may_be(
        self, bench: Bench, host: Emulator, limited: Column
    ) -> None:
        for change in limited.changes:
            error = await refused(bench, bench.environ(host), altered(bench.minimal_request(limited.model), change))
            assert error.reason is Reason.UNSUPPORTED_OPTION, change
            assert error.facts["option"] in change["options"], change
            assert error.facts["offered"][0] in error.hint
        assert all_requests(bench, host) == []

    def test_what_the_values_of_every_option_may_be_is_known(self, bench: Bench) -> None:
        for row in bench.provider.models:
            assert {limit.option for limit in row.limits} == row.options, row.id

    async def test_what_makes_no_sense_is_an_invalid_request(
        self, bench: Bench, host: Emulator, malformed: Column
    ) -> None:
        for change in malformed.changes:
            error = await refused(bench, bench.environ(host), altered(bench.minimal_request(malformed.model), change))
            assert error.reason is Reason.INVALID_REQUEST, change
        assert all_requests(bench, host) == []

    def test_an_option_that_a_row_lists_reaches_the_wire_or_is_refused(self, bench: Bench, taken: Column) -> None:
        elsewhere = {bench.provider.endpoint.base_url_variable: "http://127.0.0.1:9"}  # where retired rows are tried
        pipeline, reached = open_pipeline(bench, elsewhere), list[bool]()
        for operation in taken.model.operations:
            plain = bench.minimal_request(taken.model, operation)
            for change in taken.changes:
                without: Change = {"output_format": change["output_format"]} if "compression" in change else {}
                without = {**without, "options": COMPANIONS.get(taken.option, {})}
                request, silent = altered(plain, change), altered(plain, without)
                if request == silent or ("mask" in change and not plain.sources):  # nothing for a mask to lie on
                    continue
                if "mask" in change and operation is Operation.VARIATION:  # dropped with a warning
                    continue
                if change == {name: bench.sent_anyway.get(name) for name in change}:
                    continue
                if SAFE_PROMPT in request.options:  # for the pipeline; the vendor is not sent it
                    continue
                try:
                    sent = pipeline.prepare(request)
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
        error = await refused(bench, bench.environ(host), bench.minimal_request(own_refusal))
        assert error.reason is bench.refuses[own_refusal.id]
        assert all_requests(bench, host) == []

    def test_on_the_vendors_own_host_a_row_dies_by_the_calendar(self, bench: Bench, fading: Model) -> None:
        pipeline = open_pipeline(bench, {})
        request = bench.minimal_request(fading)
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

    async def test_links_are_given_where_the_row_has_them_and_refused_elsewhere(
        self, bench: Bench, host: Emulator, generating: Model
    ) -> None:
        request = bench.minimal_request(generating, Operation.GENERATE, response_format="url")
        if generating.links:
            result = await run(bench, host, request)
            assert result.images[0].picture.url.startswith("http")
        else:
            error = await refused(bench, bench.environ(host), request)
            assert error.reason is Reason.UNSUPPORTED_OPTION
            assert all_requests(bench, host) == []
