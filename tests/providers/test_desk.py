"""The desk: wait, then a ticket; join, do not buy again; who leaves early pays nothing, who leaves late loses none."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, ImageResult
from atelier.providers.desk import Desk, Running
from atelier.providers.journal import JobRow
from atelier.server.assembly import journal_of, pipeline_of, storage_of
from atelier.server.settings import Settings
from tests.conftest import Environ, files_in
from tests.emulators import openai as emulated
from tests.emulators.openai import OpenAI
from tests.emulators.server import Dropped, Slow
from tests.emulators.xai import MODERATED, XAI

pytestmark = pytest.mark.anyio

FOX = ImageRequest(prompt="a fox", model="gpt-image-2.5-flare", size="1024x1024", quality="low")

Open = Callable[..., Any]


@pytest.fixture
def desk(with_openai: Environ, today: Any) -> Open:
    """A desk on the journal and storage of the test, as one process has it."""

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncGenerator[Desk]:
        settings = Settings.from_environ(with_openai)
        async with Desk(pipeline_of(settings, storage_of(settings), today), **options) as made:
            yield made

    return opened


@pytest.fixture
def rows(with_openai: Environ) -> Callable[[], Any]:
    """What the journal has, newest first."""

    async def found() -> list[JobRow]:
        journal = journal_of(Settings.from_environ(with_openai))
        try:
            return await journal.jobs(100)
        finally:
            await journal.aclose()

    return found


async def pictures(folder: Path) -> list[Path]:
    return [path for path in files_in(folder) if path.suffix == ".png"]


async def settled(desk: Desk) -> None:
    """Wait until nothing runs any more."""
    while desk.running:
        await anyio.sleep(0.01)


async def test_a_job_that_takes_long_gives_a_ticket_and_goes_on(desk: Open, openai: OpenAI) -> None:
    openai.next(Slow(0.3))
    async with desk(wait=0.05) as one:
        ticket = await one.draw(FOX)
        assert isinstance(ticket, Running)
        assert (ticket.provider, ticket.model) == ("openai", "gpt-image-2.5-flare")
        again = await one.draw(FOX)
        assert isinstance(again, Running)
        assert again.id == ticket.id
        await settled(one)
        result = await one.collect(ticket.id)
    assert isinstance(result, ImageResult)
    assert result.id == ticket.id
    assert result.images[0].picture.width == 1024
    assert len(openai.requests) == 1


async def test_the_same_call_joins_the_one_that_runs_and_another_does_not(desk: Open, openai: OpenAI) -> None:
    openai.next(Slow(0.2), Slow(0.2))
    results = list[Any]()
    async with desk() as one, anyio.create_task_group() as tasks:
        for request in (FOX, FOX, ImageRequest(prompt="an owl", model="openai", quality="low", size="1024x1024")):

            async def call(request: ImageRequest = request) -> None:
                results.append(await one.draw(request))

            tasks.start_soon(call)
    assert len(openai.requests) == 2
    assert len({result.id for result in results}) == 2


async def test_a_result_that_was_not_delivered_is_collected_and_a_delivered_one_is_bought_anew(
    desk: Open, openai: OpenAI
) -> None:
    async with desk() as one:
        first = await one.draw(FOX)
        second = await one.draw(FOX)
        assert second.id == first.id
        assert [kept.stored.id for kept in second.images] == [kept.stored.id for kept in first.images]
        one.delivered(second.id)
        third = await one.draw(FOX)
        assert third.id != first.id
    assert len(openai.requests) == 2


async def test_a_result_is_collected_by_another_process(desk: Open, openai: OpenAI) -> None:
    async with desk() as one:
        first = await one.draw(FOX)
    async with desk() as another:
        second = await another.draw(FOX)
    assert second.id == first.id
    assert second.images[0].image_bytes == first.images[0].image_bytes
    assert second.actual_usd == first.actual_usd
    assert len(openai.requests) == 1


async def test_two_processes_share_one_job(desk: Open, openai: OpenAI) -> None:
    openai.next(Slow(0.4))
    results = list[Any]()
    async with desk() as one, desk() as another, anyio.create_task_group() as tasks:

        async def call(which: Desk) -> None:
            results.append(await which.draw(FOX))

        tasks.start_soon(call, one)
        while not openai.requests:
            await anyio.sleep(0.01)
        tasks.start_soon(call, another)
    assert len({result.id for result in results}) == 1
    assert len(openai.requests) == 1


async def test_who_waits_for_another_process_is_told_so(desk: Open, openai: OpenAI) -> None:
    openai.next(Slow(0.4))
    words = list[str]()

    async def tell(word: str) -> None:
        words.append(word)

    async with desk() as one, desk() as another, anyio.create_task_group() as tasks:
        tasks.start_soon(one.draw, FOX)
        while not openai.requests:
            await anyio.sleep(0.01)
        await another.draw(FOX, tell=tell)
    assert words == ["Another process works on it."]


async def test_a_call_in_other_words_joins_and_sends_nothing_of_its_own(desk: Open, openai: OpenAI) -> None:
    openai.next(Slow(0.2))
    results = list[Any]()
    async with desk() as one, anyio.create_task_group() as tasks:
        for request in (FOX, replace(FOX, prompt=" a fox ", size="1024 x 1024")):

            async def call(request: ImageRequest = request) -> None:
                results.append(await one.draw(request))

            tasks.start_soon(call)
    assert len({result.id for result in results}) == 1
    assert len(openai.requests) == 1


async def test_who_has_waited_before_is_given_the_rest_and_a_moment_at_least(desk: Open, openai: OpenAI) -> None:
    openai.next(Slow(3))
    async with desk(wait=20) as one:
        began = anyio.current_time()
        ticket = await one.after(19.5).draw(FOX)
        assert isinstance(ticket, Running)
        assert anyio.current_time() - began < 3
        assert openai.requests, "it was begun all the same"


async def test_callers_do_not_share(desk: Open, openai: OpenAI) -> None:
    async with desk() as one:
        mine = await one.draw(FOX, caller="1")
        theirs = await one.draw(FOX, caller="2")
        assert mine.id != theirs.id
        with pytest.raises(ImageError) as caught:
            await one.collect(mine.id, caller="2")
    assert caught.value.reason is Reason.NOT_FOUND
    assert len(openai.requests) == 2


async def test_who_leaves_before_anything_is_sent_pays_nothing(
    desk: Open, rows: Callable[[], Any], openai: OpenAI, with_openai: Environ
) -> None:
    with_openai["ATELIER_CONCURRENCY"] = "1"
    openai.next(Slow(0.3))
    other = ImageRequest(prompt="an owl", model="openai", quality="low", size="1024x1024")
    async with desk() as one, anyio.create_task_group() as tasks:
        tasks.start_soon(one.draw, other)
        while not openai.requests:
            await anyio.sleep(0.01)
        with anyio.move_on_after(0.05):
            await one.draw(FOX)
    assert len(openai.requests) == 1
    found = {row.request["prompt"]: row for row in await rows()}
    assert (found["a fox"].state, found["a fox"].reserved_usd) == ("cancelled", 0)
    assert found["an owl"].state == "done"


async def test_who_leaves_after_it_was_sent_finds_it_on_the_next_call(
    desk: Open, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(Slow(0.2))
    async with desk() as one:
        with anyio.move_on_after(0.1):
            await one.draw(FOX)
        await settled(one)
        result = await one.draw(FOX)
    assert len(openai.requests) == 1
    assert len(await pictures(tmp_path / "out")) == 1
    assert isinstance(result, ImageResult)


async def test_one_of_two_who_leaves_does_not_take_the_job_along(
    desk: Open, openai: OpenAI, with_openai: Environ
) -> None:
    with_openai["ATELIER_CONCURRENCY"] = "1"
    openai.next(Slow(0.2))
    other = ImageRequest(prompt="an owl", model="openai", quality="low", size="1024x1024")
    results = list[Any]()
    async with desk() as one, anyio.create_task_group() as tasks:

        async def stay() -> None:
            results.append(await one.draw(FOX))

        tasks.start_soon(one.draw, other)
        while not openai.requests:
            await anyio.sleep(0.01)
        tasks.start_soon(stay)
        with anyio.move_on_after(0.05):
            await one.draw(FOX)
    assert len(results) == 1
    assert len(openai.requests) == 2


async def test_leaving_the_desk_waits_for_what_was_sent(desk: Open, openai: OpenAI, rows: Callable[[], Any]) -> None:
    openai.next(Slow(0.2))
    async with desk(wait=0.05) as one:
        assert isinstance(await one.draw(FOX), Running)
    assert [row.state for row in await rows()] == ["done"]


async def test_an_end_in_the_dark_is_told_once_to_who_asks_again(
    desk: Open, openai: OpenAI, rows: Callable[[], Any]
) -> None:
    openai.next(Dropped())
    async with desk() as one:
        with pytest.raises(ImageError) as caught:
            await one.draw(FOX)
        assert caught.value.outcome_unknown
        (lost,) = await rows()
        assert (lost.state, lost.delivered) == ("unknown", False)
        warned = await one.draw(FOX)
        one.delivered(warned.id)
        silent = await one.draw(FOX)
    assert lost.id in warned.warnings[0]
    assert "may have cost up to $0.0059" in warned.warnings[0]
    assert not any(lost.id in warning for warning in silent.warnings)
    assert len(openai.requests) == 3


async def test_a_failed_job_tells_its_reason_to_who_collects_it(
    desk: Open, openai: OpenAI, rows: Callable[[], Any]
) -> None:
    openai.next(emulated.MODERATED)
    async with desk() as one:
        with pytest.raises(ImageError):
            await one.draw(FOX)
        (row,) = await rows()
        with pytest.raises(ImageError) as caught:
            await one.collect(row.id)
    assert (row.state, row.reserved_usd) == ("failed", 0)
    assert caught.value.reason is Reason.CONTENT_POLICY
    assert caught.value.facts["job"] == row.id


async def test_pictures_in_hand_are_not_collected_twice_but_stored_when_nobody_is_there(
    desk: Open, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(None, Slow(0.2))
    async with desk(wait=0.1) as one:
        taken = await one.draw(FOX, in_hand=10**9)
        assert taken.images[0].stored is None
        one.delivered(taken.id)
        ticket = await one.draw(FOX, in_hand=10**9)
        assert isinstance(ticket, Running)
        await settled(one)
        result = await one.collect(ticket.id)
    assert isinstance(result, ImageResult)
    assert result.images[0].stored is not None
    assert len(await pictures(tmp_path / "out")) == 1


async def test_pictures_in_hand_that_never_left_are_stored_and_collected(
    desk: Open, rows: Callable[[], Any], openai: OpenAI, tmp_path: Path
) -> None:
    async with desk() as one:
        taken = await one.draw(FOX, in_hand=10**9)
        assert await pictures(tmp_path / "out") == []
        one.returned(taken.id)
        await settled(one)
        again = await one.draw(FOX, in_hand=10**9)
    assert again.id == taken.id
    assert again.images[0].stored is not None
    (row,) = await rows()
    assert [image["id"] for image in row.outcome["images"]] == [again.images[0].stored.id]
    assert len(openai.requests) == 1


async def test_pictures_in_hand_of_two_callers_are_stored_only_when_neither_took_them(
    desk: Open, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(Slow(0.2))
    results = list[Any]()
    async with desk() as one:
        async with anyio.create_task_group() as tasks:
            for _ in range(2):

                async def call() -> None:
                    results.append(await one.draw(FOX, in_hand=10**9))

                tasks.start_soon(call)
        one.returned(results[0].id)
        one.delivered(results[1].id)
        await settled(one)
        another = await one.draw(FOX)
    assert results[0].id == results[1].id != another.id
    assert len(await pictures(tmp_path / "out")) == 1


async def test_pictures_in_hand_are_stored_when_the_desk_closes(desk: Open, openai: OpenAI, tmp_path: Path) -> None:
    async with desk() as one:
        await one.draw(FOX, in_hand=10**9)
    assert len(await pictures(tmp_path / "out")) == 1


async def test_pictures_that_somebody_removed_are_made_anew(desk: Open, openai: OpenAI, tmp_path: Path) -> None:
    async with desk() as one:
        await one.draw(FOX)
        for path in files_in(tmp_path / "out"):
            path.unlink()
        again = await one.draw(FOX)
    assert isinstance(again, ImageResult)
    assert len(openai.requests) == 2


async def test_a_free_draft_needs_no_journal(desk: Open, tmp_path: Path, with_openai: Environ) -> None:
    (tmp_path / "blocked").write_text("a file")
    with_openai["ATELIER_STATE_DIR"] = str(tmp_path / "blocked")
    async with desk() as one:
        result = await one.draw(ImageRequest(prompt="a fox", model="sketch", size="64x64"))
        with pytest.raises(ImageError) as caught:
            await one.draw(FOX)
    assert isinstance(result, ImageResult)
    assert caught.value.reason is Reason.STORAGE_FAILED  # and nothing was sent


async def test_the_same_key_is_the_same_call_even_when_it_was_delivered(desk: Open, openai: OpenAI) -> None:
    async with desk() as one:
        first = await one.draw(FOX, key="order 7")
        one.delivered(first.id)
        again = await one.draw(FOX, key="order 7")
        other = await one.draw(FOX, key="order 8")
        with pytest.raises(ImageError) as caught:
            await one.draw(replace(FOX, prompt="an owl"), key="order 7")
    assert again.id == first.id != other.id
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert len(openai.requests) == 2


async def test_a_key_whose_call_ended_in_the_dark_never_buys_again(desk: Open, openai: OpenAI) -> None:
    openai.next(Dropped())
    async with desk() as one:
        for _ in range(2):
            with pytest.raises(ImageError) as caught:
                await one.draw(FOX, key="order 7")
            assert caught.value.outcome_unknown
    assert len(openai.requests) == 1


async def test_a_key_holds_for_free_drafts_as_well(desk: Open) -> None:
    draft = ImageRequest(prompt="a fox", model="sketch", size="64x64")
    async with desk() as one:
        first, again = await one.draw(draft, key="k"), await one.draw(draft, key="k")
        with pytest.raises(ImageError):
            await one.draw(replace(draft, prompt="an owl"), key="k")
    assert first.id == again.id


async def test_a_key_whose_call_was_refused_and_billed_tells_the_bill_and_buys_nothing(
    with_xai: Environ, today: Any, xai: XAI
) -> None:
    xai.next(MODERATED)
    settings, asked = Settings.from_environ(with_xai), ImageRequest(prompt="a fox", model="grok")
    for _ in range(2):
        async with Desk(pipeline_of(settings, storage_of(settings), today)) as one:
            with pytest.raises(ImageError) as caught:
                await one.draw(asked, key="order-7")
        assert (caught.value.reason, caught.value.facts["billed_usd"]) == (Reason.CONTENT_POLICY, Decimal("0.02"))
    assert len(xai.requests) == 1


async def test_a_key_whose_call_was_refused_for_free_may_be_tried_again(desk: Open, openai: OpenAI) -> None:
    openai.next(emulated.RATE_LIMITED, emulated.MODERATED)
    async with desk() as one:
        with pytest.raises(ImageError):
            await one.draw(FOX, key="order 7")
        assert isinstance(await one.draw(FOX, key="order 7"), ImageResult)


# fallback


async def test_a_vendor_that_is_down_is_passed_over_and_the_answer_says_so(
    desk: Open, openai: OpenAI, rows: Callable[[], Any]
) -> None:
    openai.next(*[emulated.BROKEN_SERVER] * 4)
    async with desk() as one:
        result = await one.draw(replace(FOX, quality=None), fallback=["stability", "sketch"])
    assert isinstance(result, ImageResult)
    assert result.provider == "sketch"
    assert "openai/gpt-image-2.5-flare failed" in result.warnings[0]
    assert "stability was passed over" in result.warnings[0]
    (row,) = await rows()
    assert (row.state, row.reserved_usd) == ("done", 0)


@pytest.mark.parametrize("fault", [emulated.MODERATED, Dropped()], ids=["refused", "perhaps billed"])
async def test_nobody_moves_on_after_a_refusal_or_a_possible_charge(desk: Open, openai: OpenAI, fault: Any) -> None:
    openai.next(fault)
    async with desk() as one:
        with pytest.raises(ImageError):
            await one.draw(FOX, fallback=["gpt-image-2"])
    assert len(openai.requests) == 1


async def test_a_fallback_that_is_no_model_is_refused_before_it_is_needed(desk: Open, openai: OpenAI) -> None:
    async with desk() as one:
        with pytest.raises(ImageError) as caught:
            await one.draw(FOX, fallback=["nonsense"])
    assert caught.value.reason is Reason.UNKNOWN_MODEL
    assert openai.requests == []


async def test_a_fallback_is_held_against_the_budget_anew(desk: Open, openai: OpenAI, with_openai: Environ) -> None:
    with_openai["ATELIER_BUDGET_PER_CALL"] = "0.01"
    openai.next(*[emulated.BROKEN_SERVER] * 4)
    async with desk() as one:
        with pytest.raises(ImageError) as caught:
            await one.draw(FOX, fallback=["gpt-image-2.6-flare"])
    assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert len(openai.requests) == 4


async def test_a_breaker_opens_and_says_so_without_asking(desk: Open, openai: OpenAI) -> None:
    openai.next(*[emulated.BROKEN_SERVER] * 20)
    async with desk() as one:
        for number in range(5):
            with pytest.raises(ImageError):
                await one.draw(ImageRequest(prompt=f"fox {number}", model="openai", quality="low", size="1024x1024"))
        asked = len(openai.requests)
        with pytest.raises(ImageError) as caught:
            await one.draw(FOX)
    assert "failed 5 times in a row" in caught.value.message
    assert caught.value.retry_after
    assert len(openai.requests) == asked


async def test_a_timeout_that_is_tried_again_leaves_both_in_the_books(
    desk: Open, openai: OpenAI, with_openai: Environ, rows: Callable[[], Any]
) -> None:
    with_openai |= {"ATELIER_RETRY_TIMEOUTS": "true", "ATELIER_TIMEOUT_SECONDS": "1.5"}
    openai.next(Slow(2))
    async with desk() as one:
        result = await one.draw(FOX)
    assert any("sent again" in warning for warning in result.warnings)
    (row,) = await rows()
    assert len(openai.requests) == 2
    assert float(row.reserved_usd) == pytest.approx(0.005885 + 0.00592)
