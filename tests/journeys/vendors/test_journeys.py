"""Every vendor's journey through the real server over stdio, with the official client, against the emulator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.testing.server import Emulator, Received
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.faults.servers import answered, at_rest, killed_at, served
from tests.journeys.vendors.journey import JOURNEYS, Journey, bench_of
from tests.server.mcp.test_server import error

pytestmark = [
    pytest.mark.anyio,
    exhaustive,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGKILL"),
]


@pytest.fixture(params=JOURNEYS)
def vendor(request: Any) -> str:
    return request.param


@pytest.fixture
def journey(vendor: str) -> Journey:
    return JOURNEYS[vendor]


@pytest.fixture
def host(vendor: str) -> Iterator[Emulator]:
    emulator = bench_of(vendor).host()
    with emulator.serving():
        yield emulator


@pytest.fixture
def settings(vendor: str, journey: Journey, host: Emulator, environ: Environ) -> Environ:
    return {**environ, **bench_of(vendor).environ(host), **journey.environ}


def paid(host: Emulator) -> list[Received]:
    """The requests that the vendor may bill."""
    return [each for each in host.requests if each.method == "POST" and not each.path.startswith(host.free)]


async def test_price_image_edit_and_refusal(vendor: str, journey: Journey, host: Emulator, settings: Environ) -> None:
    faults = bench_of(vendor).faults
    assert faults
    asked = {"prompt": "a fox", "model": vendor, **journey.generate}
    async with served(settings) as client:
        told = answered(await client.call_tool("estimate_cost", asked))
        assert told.get("total_usd") == (
            None if journey.usd is None else pytest.approx(journey.usd, rel=journey.tolerance)
        )
        assert paid(host) == []
        made = answered(await client.call_tool("generate_image", asked))
        assert made["provider"] == vendor
        assert Path(made["images"][0]["path"]).is_file()
        if journey.usd is not None:
            assert made["actual_usd"] == pytest.approx(journey.usd, rel=journey.tolerance)
        edit = {"image": made["images"][0]["id"], "prompt": "a hat", "model": vendor, **journey.edit}
        edited = answered(await client.call_tool("edit_image", edit))
        assert edited["images"][0]["id"] != made["images"][0]["id"]
        assert len(paid(host)) == 2
        fault = faults.moderated[0] if faults.moderated else faults.refused("No.")
        bench_of(vendor).delivers(host).next(*[fault] * 5)
        refused = await client.call_tool("generate_image", {**asked, "prompt": "a scary fox"})
    assert error(refused)["reason"] == ("content_policy" if faults.moderated else "invalid_request")


@pytest.mark.parametrize("vendor", [name for name in JOURNEYS if bench_of(name).collectable_model], indirect=True)
async def test_a_crash_costs_no_second_image(
    journey: Journey, vendor: str, host: Emulator, settings: Environ, tmp_path: Path
) -> None:
    journey.links(host)
    asked = {"prompt": "a fox", "model": vendor, **journey.generate}
    step = ("add_asset", "before") if journey.names_its_task else ("save_vendor_task", "after")
    await killed_at(settings, *step, "generate_image", asked)
    assert len(paid(host)) == 1
    async with served(settings) as client:
        books = await at_rest(tmp_path)
        again = answered(await client.call_tool("generate_image", asked))
    assert (books.job.state, len(paid(host))) == ("done", 1)
    assert {image["id"] for image in again["images"]} == {record["id"] for record in books.records}
