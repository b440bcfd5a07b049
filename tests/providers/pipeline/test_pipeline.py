"""The pipeline: its order, its turns, its promises about storage; and the library's front door."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers import generate
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import AssetHandle
from atelier.providers.core.types import ImageRequest, Picture
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.testing.emulators import flux_rules as flux_emulator
from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.server import Fault, Held, Slow
from atelier.providers.testing.waiting import Gate, eventually, leave
from atelier.providers.vendors import flux as flux_vendor
from atelier.providers.vendors import xai as xai_vendor
from atelier.providers.vendors.openai import PROVIDER
from tests.conftest import Environ, files_in, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

Build = Callable[[], Pipeline]


class AssetReader:
    """A storage that remembers."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        self.records.append(record)
        return AssetHandle(id=id)


class HeldShelf(AssetReader):
    """A storage that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        await self.gate.passed()
        return await super().put(id, picture, record)


class FullShelf:
    """A storage that takes nothing."""

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        raise ImageError(Reason.STORAGE_FAILED, "The shelf is full.", hint="Make room.")


async def test_a_missing_key_is_told_after_the_gates_and_before_any_io(openai: OpenAI, environ: Environ) -> None:
    environ["OPENAI_BASE_URL"] = openai.url
    async with open_pipeline(PROVIDER, environ) as pipeline:
        with pytest.raises(ImageError) as untrusted_client:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
        with pytest.raises(ImageError) as impossible:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai", seed=1))
    assert untrusted_client.value.reason is Reason.AUTHENTICATION
    assert "OPENAI_API_KEY" in untrusted_client.value.hint
    assert impossible.value.reason is Reason.UNSUPPORTED_OPTION
    assert openai.requests == []


async def test_the_record_says_how_the_picture_came_to_be(with_openai: Environ, openai: OpenAI) -> None:
    shelf = AssetReader()
    request = ImageRequest(prompt="a fox", model="openai", size="1536x1024", quality="low", parent="img_before")
    async with open_pipeline(PROVIDER, with_openai, storage=shelf) as pipeline:
        result = await pipeline.run(request)
    (record,) = shelf.records
    stored = result.images[0].stored
    assert stored is not None
    expected = {
        "id": stored.id, "job": result.id, "operation": "generate", "prompt": "a fox", "provider": "openai",
        "model": "gpt-image-2.5-flare", "seed": None, "width": 1536, "height": 1024, "mime": "image/png",
        "asked": {"size": "1536x1024", "quality": "low"}, "actual_usd": 0.004745, "parent": "img_before",
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected
    assert record["created_at"].endswith("Z")
    assert record["details"]["request_id"] == "req_emulated_1"


async def test_the_record_of_each_of_several_pictures_has_its_share_of_the_bill(with_xai: Environ, xai: XAI) -> None:
    shelf = AssetReader()
    async with open_pipeline(xai_vendor.PROVIDER, with_xai, storage=shelf) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="xai", count=3))
    assert len(xai.requests) == 1
    assert result.actual_usd == Decimal("0.12")
    assert [record["actual_usd"] for record in shelf.records] == [0.04] * 3
    assert [record["call_usd"] for record in shelf.records] == [0.12] * 3


async def test_the_record_of_a_picture_with_a_call_of_its_own_has_the_bill_of_that_call(
    with_flux: Environ, flux: Flux
) -> None:
    shelf = AssetReader()
    async with open_pipeline(flux_vendor.PROVIDER, with_flux, storage=shelf) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="flux", count=3))
    assert result.actual_usd == Decimal("0.09")
    assert [(record["actual_usd"], record["call_usd"]) for record in shelf.records] == [(0.03, 0.03)] * 3


async def test_the_record_has_the_seed_that_the_vendor_drew_by(with_flux: Environ, flux: Flux) -> None:
    shelf = AssetReader()
    async with open_pipeline(flux_vendor.PROVIDER, with_flux, storage=shelf) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="flux"))
        await pipeline.run(ImageRequest(prompt="a fox", model="flux", seed=7))
    assert [record["seed"] for record in shelf.records] == [flux_emulator.SEED] * 2


async def test_where_the_vendor_names_no_seed_the_record_has_the_one_that_was_sent(
    with_flux: Environ, flux: Flux
) -> None:
    shelf, picture = AssetReader(), f"data:image/png;base64,{base64.b64encode(png(64, 48)).decode()}"
    flux.polls.next(*[flux_emulator.state("Ready", result={"sample": picture})] * 3)
    async with open_pipeline(flux_vendor.PROVIDER, with_flux, storage=shelf) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="flux", count=3, seed=7))
    assert sorted(record["seed"] for record in shelf.records) == [7, 8, 9]


async def test_a_refused_call_stores_nothing(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(emulated.MODERATED)
    shelf = AssetReader()
    async with open_pipeline(PROVIDER, with_openai, storage=shelf) as pipeline:
        with pytest.raises(ImageError):
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert shelf.records == []


async def test_a_picture_that_no_storage_takes_is_handed_over(with_openai: Environ) -> None:
    async with open_pipeline(PROVIDER, with_openai, storage=FullShelf()) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert result.images[0].image_bytes
    assert result.images[0].stored is None
    assert "The shelf is full. Make room." in " ".join(result.warnings)


async def test_a_vendor_sees_no_more_jobs_at_once_than_its_limit(with_openai: Environ, openai: OpenAI) -> None:
    said: list[str] = []

    async def on_progress(message: str) -> None:
        said.append(message)

    held = Held()
    openai.next(*[held] * 3)
    async with open_pipeline(PROVIDER, with_openai, concurrency=2) as pipeline, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(
                lambda: pipeline.run(ImageRequest(prompt="a fox", model="openai"), on_progress=on_progress)
            )
        await eventually(lambda: len(openai.requests) == 2 and any("Waiting" in message for message in said))
        await anyio.wait_all_tasks_blocked()
        assert len(openai.requests) == 2
        held.go.set()
    assert len(openai.requests) == 3


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        (emulated.trouble(401, "invalid_api_key", "No."), 3),
        (emulated.trouble(402, None, "Pay first."), 3),
        (emulated.trouble(403, None, "Not you."), 3),
        (emulated.NO_QUOTA, 3),
        (emulated.MODERATED, 8),
    ],
    ids=["401", "402", "403", "quota", "moderation"],
)
async def test_what_would_meet_every_call_stops_those_that_are_not_sent_and_no_others(
    with_openai: Environ, openai: OpenAI, fault: Fault, sent: int
) -> None:
    openai.older = True
    openai.next(None, Slow(0.3), fault)
    shelf = AssetReader()
    async with open_pipeline(PROVIDER, with_openai, storage=shelf, concurrency=2) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="dall-e-3", count=8))
    assert len(openai.requests) == sent
    assert len(result.images) == len(shelf.records) == sent - 1
    assert result.warnings[0].startswith(f"Only {sent - 1} of 8 images were made: OpenAI answered ")
    assert result.warnings[0].count("OpenAI answered") == 1


async def test_a_wrong_key_is_shown_no_more_often_than_the_vendor_has_turns(
    with_openai: Environ, openai: OpenAI
) -> None:
    openai.older, with_openai["OPENAI_API_KEY"] = True, "sk-wrong"
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="dall-e-3", count=10))
    assert caught.value.reason is Reason.AUTHENTICATION
    assert len(openai.requests) <= 3


async def test_a_call_cancelled_while_it_stores_is_stored(with_openai: Environ) -> None:
    class SlowShelf(AssetReader):
        async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
            tasks.cancel_scope.cancel()
            await anyio.sleep(0.05)
            return await super().put(id, picture, record)

    shelf = SlowShelf()
    async with open_pipeline(PROVIDER, with_openai, storage=shelf) as pipeline, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: pipeline.run(ImageRequest(prompt="a fox", model="openai", count=2)))
    assert len(shelf.records) == 2


async def test_what_was_sent_is_stored_when_the_caller_leaves_between_calls(
    with_openai: Environ, openai: OpenAI
) -> None:
    openai.older, held = True, Held()
    openai.next(None, held)
    shelf, request = AssetReader(), ImageRequest(prompt="a fox", model="dall-e-3", count=2)
    async with open_pipeline(PROVIDER, with_openai, storage=shelf, concurrency=1) as pipeline:
        await leave(lambda: pipeline.run(request), held.arrival, then=held.go.set)
    assert len(openai.requests) == len(shelf.records) == 2


async def test_images_are_all_stored_though_the_caller_leaves_meanwhile(with_openai: Environ) -> None:
    shelf, request = HeldShelf(), ImageRequest(prompt="a fox", model="openai", count=4)
    async with open_pipeline(PROVIDER, with_openai, storage=shelf) as pipeline, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: pipeline.run(request))
        await shelf.gate.arrival()
        tasks.cancel_scope.cancel()
        assert shelf.records == []
        shelf.gate.go.set()
    assert len(shelf.records) == 4


async def test_the_whole_house_stores_a_sketch(pipeline: Build, tmp_path: Path) -> None:
    async with pipeline() as whole:
        result = await whole.run(ImageRequest(prompt="a fox"))
    assert result.notice
    assert len(files_in(tmp_path / "out")) == 2


async def test_the_front_door_returns_pictures_in_memory() -> None:
    said = list[str]()

    async def on_progress(word: str) -> None:
        said.append(word)

    result = await generate("a fox", size="128x128", seed=3, on_progress=on_progress)
    assert said
    assert (result.provider, result.images[0].format, result.images[0].stored) == ("sketch", "png", None)
    assert result.images[0].image_bytes.startswith(b"\x89PNG")
    with pytest.raises(TypeError):
        await generate("a fox", colour="red")  # pyright: ignore[reportCallIssue] - what a type checker refuses as well


def test_no_prompt_is_in_the_repr_of_a_request() -> None:
    assert "secret" not in repr(ImageRequest(prompt="a secret garden", negative_prompt="secret"))


async def test_the_front_door_spends_nothing_that_no_ledger_holds(
    openai: OpenAI, with_openai: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in with_openai.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ATELIER_BUDGET_PER_DAY", "5")
    with pytest.raises(ImageError) as caught:
        await generate("a fox", model="openai")
    assert caught.value.reason is Reason.BUDGET_EXCEEDED
    assert (await generate("a fox", model="sketch", size="64x64")).provider == "sketch"
    monkeypatch.setenv("ATELIER_BUDGET_PER_DAY", "")
    monkeypatch.setenv("ATELIER_BUDGET_PER_CALL", "0.001")
    with pytest.raises(ImageError):
        await generate("a fox", model="openai", quality="low", size="1024x1024")
    assert openai.requests == []


async def test_a_fault_of_ours_after_it_was_sent_is_told_as_what_may_be_billed(with_openai: Environ) -> None:
    async def broken(*arguments: Any) -> Any:
        raise RuntimeError("a fault")

    async with open_pipeline(replace(PROVIDER, read=broken), with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.INTERNAL, True)
    assert "may have done and billed" in caught.value.hint
