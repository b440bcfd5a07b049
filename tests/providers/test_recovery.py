"""After a crash: collected what can be, said of the rest what is known, and nothing sent again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers import flux as flux_vendor
from atelier.providers.admit import admit
from atelier.providers.breaker import FAILURES
from atelier.providers.budget import Caps
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.ids import new_id
from atelier.providers.core.images import picture
from atelier.providers.core.types import ImageRequest, ImageResult
from atelier.providers.desk import Desk
from atelier.providers.journal import Entry
from atelier.providers.outcome import fingerprint, request_json
from atelier.providers.reserve import accounts_of, charges_of
from atelier.server.assembly import catalog_of, journal_of, pipeline_of, storage_of
from atelier.server.settings import Settings
from tests.conftest import Environ, files_in, png
from tests.emulators.flux import PENDING, Flux
from tests.emulators.openai import OpenAI
from tests.emulators.server import Answer
from tests.emulators.xai import XAI

pytestmark = pytest.mark.anyio

OWL = ImageRequest(prompt="an owl", model="flux-2-pro", size="512x512")
DOWN = Answer(503, {})
FOX = ImageRequest(prompt="a fox", model="gpt-image-2.5-flare", size="1024x1024", quality="low")


async def left_behind(
    environ: Environ,
    today: Any,
    request: ImageRequest,
    *,
    sent: bool,
    task: Mapping[str, Any] | None = None,
    count: int = 1,
) -> tuple[str, list[str]]:
    """A job as a process leaves it that is killed at some point; its id and those of its calls."""
    settings = Settings.from_environ(environ)
    catalog, journal = catalog_of(settings, today), journal_of(settings, today)
    admitted = admit(catalog, replace(request, count=count))
    accounts = accounts_of(catalog, journal, admitted)
    charges = charges_of(catalog, admitted, accounts, "1")
    home = storage_of(settings).home
    entry = Entry(
        id=admitted.job.id,
        caller="1",
        fingerprint=fingerprint(admitted, 0, home),
        request={**request_json(admitted), "home": home},
    )
    await journal.open(entry, charges, Caps())
    for account in accounts if sent else ():
        await account.sent()
        if task:
            await account.note(task)
    await journal.aclose()
    return admitted.job.id, [account.id for account in accounts]


async def stored(environ: Environ, job: str, call: str, usd: float | None = 0.006) -> str:
    """A picture that reached the disk before the journal heard of it."""
    id = new_id("img")
    record = {
        "id": id,
        "job": job,
        "call": call,
        "provider": "openai",
        "model": "gpt-image-2.5-flare",
        "actual_usd": usd,
        "call_usd": usd,
    }
    await storage_of(Settings.from_environ(environ)).put(id, picture(png(8, 8)), record)
    return id


async def recovered(environ: Environ, today: Any, job: str) -> tuple[Any, list[Any]]:
    """What the next start makes of the job: its result or its error, and its calls."""
    settings = Settings.from_environ(environ)
    async with Desk(pipeline_of(settings, storage_of(settings), today)) as desk:
        await desk.recover()
        while desk.running:
            await anyio.sleep(0.01)
        try:
            found: Any = await desk.collect(job)
        except ImageError as error:
            found = error
        return found, await desk.pipeline.journal.calls(job)


async def test_what_was_never_sent_is_released(with_openai: Environ, today: Any, openai: OpenAI) -> None:
    job, _ = await left_behind(with_openai, today, FOX, sent=False)
    found, calls = await recovered(with_openai, today, job)
    assert "before anything was sent" in found.message
    assert [call.state for call in calls] == ["released"]
    assert openai.requests == []


async def test_what_was_sent_without_a_trace_is_unknown_and_its_reservation_stays(
    with_openai: Environ, today: Any, openai: OpenAI
) -> None:
    job, _ = await left_behind(with_openai, today, FOX, sent=True)
    found, calls = await recovered(with_openai, today, job)
    assert found.outcome_unknown
    assert [call.state for call in calls] == ["unknown"]
    assert openai.requests == []


async def test_a_picture_that_had_just_reached_the_disk_is_matched(
    with_openai: Environ, today: Any, openai: OpenAI
) -> None:
    job, (call,) = await left_behind(with_openai, today, FOX, sent=True)
    id = await stored(with_openai, job, call)
    await stored(with_openai, "job_other", "chg_other")
    found, calls = await recovered(with_openai, today, job)
    assert isinstance(found, ImageResult)
    assert [kept.stored and kept.stored.id for kept in found.images] == [id]
    assert "found again" in found.warnings[0]
    assert (calls[0].state, calls[0].images) == ("settled", (id,))
    assert found.actual_usd == Decimal("0.006")
    assert openai.requests == []


async def test_pictures_that_were_lost_are_told(with_openai: Environ, today: Any, openai: OpenAI) -> None:
    job, (call,) = await left_behind(with_openai, today, FOX, sent=True, count=3)
    await stored(with_openai, job, call)
    found, _ = await recovered(with_openai, today, job)
    assert "2 of 3 pictures are missing" in found.warnings[0]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flux_vendor, "POLL_EVERY", 0.01)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, soon: None) -> None:
    """No pause between tries."""
    monkeypatch.setattr("random.uniform", least)


def least(low: float, high: float) -> float:
    return low


@pytest.fixture
def submitted(flux: Flux, with_flux: Environ, soon: None) -> Callable[[], Any]:
    """A task that the vendor has taken and billed."""

    async def submit() -> dict[str, Any]:
        from atelier.providers.core.wire import httpx

        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"{flux.url}/v1/flux-2-pro", json={"prompt": "an owl", "width": 512, "height": 512},
                headers={"x-key": flux.key},
            )  # fmt: skip
        return answer.json()

    return submit


async def test_a_task_is_collected_and_not_bought_again(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=await submitted())
    bought = len([request for request in flux.requests if request.method == "POST"])
    found, calls = await recovered(with_flux, today, job)
    assert isinstance(found, ImageResult)
    assert found.images[0].picture.width == 512
    assert found.actual_usd == Decimal("0.03")
    assert (calls[0].state, len(calls[0].images)) == ("settled", 1)
    assert len([request for request in flux.requests if request.method == "POST"]) == bought == 1


async def test_a_task_that_the_vendor_forgot_is_unknown_or_billed_as_it_said(
    with_flux: Environ, today: Any, flux: Flux, soon: None
) -> None:
    task = {"id": "gone", "polling_url": f"{flux.polls.url}/v1/get_result?id=gone", "cost": 3.0}
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=task)
    found, calls = await recovered(with_flux, today, job)
    assert isinstance(found, ImageError)
    assert calls[0].state == "settled"  # the first answer had stated the price


async def test_without_the_key_a_task_stays_unknown(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=await submitted())
    keyless = {name: value for name, value in with_flux.items() if name != "BFL_API_KEY"}
    found, calls = await recovered(keyless, today, job)
    assert found.outcome_unknown
    assert calls[0].state == "unknown"


async def test_the_same_call_waits_for_what_is_being_collected(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=await submitted())
    settings = Settings.from_environ(with_flux)
    async with Desk(pipeline_of(settings, storage_of(settings), today)) as desk:
        result = await desk.draw(OWL)
    assert result.id == job
    assert len([request for request in flux.requests if request.method == "POST"]) == 1


async def test_a_job_of_another_version_is_settled_all_the_same(
    with_openai: Environ, today: Any, openai: OpenAI
) -> None:
    job, _ = await left_behind(with_openai, today, FOX, sent=True)
    journal = journal_of(Settings.from_environ(with_openai))
    await journal.database.write(
        lambda c: c.execute("""UPDATE jobs SET request = '{"operation": "sculpt", "model": "x/y"}'""")
    )
    await journal.aclose()
    found, calls = await recovered(with_openai, today, job)
    assert found.reason is Reason.INTERNAL
    assert calls[0].state == "unknown"


def a_desk(environ: Environ, today: Any, **options: Any) -> Desk:
    settings = Settings.from_environ(environ)
    return Desk(pipeline_of(settings, storage_of(settings), today), **options)


def bought(flux: Flux) -> int:
    return len([request for request in flux.requests if request.method == "POST"])


@pytest.fixture
def impatient(with_flux: Environ, flux: Flux, soon: None) -> Environ:
    """A vendor that is longer at work than a call may take."""
    flux.polls.next(*[PENDING] * 100)
    return {**with_flux, "ATELIER_TIMEOUT_SECONDS": "0.3"}


async def test_what_outlasts_the_deadline_is_collected_by_the_same_call(
    impatient: Environ, today: Any, flux: Flux
) -> None:
    async with a_desk(impatient, today) as desk:
        with pytest.raises(ImageError) as caught:
            await desk.draw(OWL)
        assert "the same call, or get_image with job_" in caught.value.hint.lower()
        flux.polls.script.clear()
        result = await desk.draw(OWL)
        assert isinstance(result, ImageResult)
        assert result.images[0].stored
        assert result.actual_usd == Decimal("0.03")
        (call,) = await desk.pipeline.journal.calls(result.id)
    assert (call.state, bought(flux)) == ("settled", 1)


async def test_what_outlasts_the_deadline_is_collected_by_its_id(impatient: Environ, today: Any, flux: Flux) -> None:
    async with a_desk(impatient, today) as desk:
        with pytest.raises(ImageError):
            await desk.draw(OWL)
        alike = fingerprint(admit(desk.pipeline.catalog, OWL), 0, desk.pipeline.home)
        row = await desk.pipeline.journal.match("1", alike)
        assert row
        assert row.collectable
        flux.polls.script.clear()
        result = await desk.collect(row.id)
    assert isinstance(result, ImageResult)
    assert bought(flux) == 1


async def test_a_task_that_could_not_be_asked_for_after_a_restart_is_asked_for_later(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    task = await submitted()
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task={**task, "polling_url": "http://127.0.0.1:9/"})
    found, _ = await recovered({**with_flux, "ATELIER_TIMEOUT_SECONDS": "0.3"}, today, job)
    assert found.outcome_unknown
    journal = journal_of(Settings.from_environ(with_flux))
    (call,) = await journal.calls(job)
    await journal.note(call.id, task)  # the network is back
    await journal.aclose()
    found, calls = await recovered(with_flux, today, job)
    assert isinstance(found, ImageResult)
    assert (calls[0].state, bought(flux)) == ("settled", 1)


# turns and the breaker: what is paid for is collected past both


async def collected(desk: Desk) -> list[str]:
    """Take up what was left behind, wait for it, and tell how it ended; the newest first."""
    await desk.recover()
    while desk.running:
        await anyio.sleep(0.01)
    journal: Any = desk.pipeline.journal
    return [row.state for row in await journal.jobs(10)]


async def test_a_task_is_collected_while_the_breaker_is_open(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any], hasty: None
) -> None:
    task = await submitted()
    flux.next(*[DOWN] * 4 * FAILURES)
    async with a_desk(with_flux, today) as desk:
        for number in range(FAILURES):
            with pytest.raises(ImageError):
                await desk.draw(replace(OWL, prompt=f"owl {number}"))
        job, _ = await left_behind(with_flux, today, OWL, sent=True, task=task)
        assert (await collected(desk))[0] == "done"
        result = await desk.collect(job)
        with pytest.raises(ImageError) as caught:
            await desk.draw(replace(OWL, prompt="another owl"))
    assert isinstance(result, ImageResult)
    assert "failed 5 times in a row" in caught.value.message  # to collect a task is not to ask for a picture


async def test_tasks_that_cannot_be_collected_do_not_open_the_breaker(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any], hasty: None
) -> None:
    for number in range(FAILURES):
        await left_behind(with_flux, today, replace(OWL, prompt=f"owl {number}"), sent=True, task=await submitted())
    flux.polls.next(*[DOWN] * 100)
    async with a_desk(with_flux, today) as desk:
        assert await collected(desk) == ["unknown"] * FAILURES
        flux.polls.script.clear()
        assert isinstance(await desk.draw(replace(OWL, prompt="another owl")), ImageResult)


async def test_tasks_are_collected_where_no_call_may_wait_for_a_turn(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    for number in range(5):
        await left_behind(with_flux, today, replace(OWL, prompt=f"owl {number}"), sent=True, task=await submitted())
    flux.polls.next(*[PENDING] * 10)
    async with a_desk({**with_flux, "ATELIER_CONCURRENCY": "1", "ATELIER_QUEUE_LIMIT": "0"}, today) as desk:
        assert await collected(desk) == ["done"] * 5
    assert bought(flux) == 5


async def test_who_goes_away_does_not_keep_a_task_from_being_collected(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    flux.polls.next(*[PENDING] * 20)
    for prompt in ("a wren", "an owl"):
        await left_behind(with_flux, today, replace(OWL, prompt=prompt), sent=True, task=await submitted())
    async with a_desk({**with_flux, "ATELIER_CONCURRENCY": "1"}, today) as desk:
        await desk.recover()
        for prompt in ("a wren", "an owl"):  # one has its turn, the other waits for it
            with anyio.move_on_after(0.05):
                await desk.draw(replace(OWL, prompt=prompt))
        assert await collected(desk) == ["done"] * 2
    assert bought(flux) == 2


def an_hour_ago(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE jobs SET created = datetime('now', '-1 hour')")


async def test_what_the_vendor_does_not_finish_in_half_an_hour_is_bought_anew_with_a_warning(
    impatient: Environ, today: Any, flux: Flux
) -> None:
    async with a_desk(impatient, today) as desk:
        with pytest.raises(ImageError):
            await desk.draw(OWL)
        journal: Any = desk.pipeline.journal
        (row,) = await journal.jobs(5)
        await journal.database.write(an_hour_ago)
        flux.polls.script.clear()
        result = await desk.draw(OWL)
    assert isinstance(result, ImageResult)
    assert result.id != row.id
    assert any(row.id in warning for warning in result.warnings)
    assert bought(flux) == 2


async def test_a_picture_of_several_that_came_too_late_joins_the_others(
    impatient: Environ, today: Any, flux: Flux
) -> None:
    flux.polls.script.clear()
    async with a_desk({**impatient, "ATELIER_CONCURRENCY": "1"}, today) as desk:

        async def tell(message: str) -> None:
            if message.startswith("1 of 2"):
                flux.polls.next(*[PENDING] * 100)

        first = await desk.draw(replace(OWL, count=2), tell=tell)
        assert isinstance(first, ImageResult)
        assert len(first.images) == 1
        assert f"get_image with {first.id}" in first.warnings[1]
        desk.delivered(first.id)
        flux.polls.script.clear()
        await desk.recover()
        while desk.running:
            await anyio.sleep(0.01)
        whole = await desk.draw(replace(OWL, count=2))  # which has not been delivered whole
    assert isinstance(whole, ImageResult)
    assert whole.id == first.id
    assert {kept.stored and kept.stored.id for kept in first.images} < {k.stored and k.stored.id for k in whole.images}
    assert (len(whole.images), whole.actual_usd, bought(flux)) == (2, Decimal("0.06"), 2)


async def test_where_one_of_several_was_never_sent_and_the_others_came_too_late_those_are_collected(
    impatient: Environ, today: Any, flux: Flux
) -> None:
    full = [ImageError(Reason.STORAGE_FAILED, "The journal is full.")]
    async with a_desk(impatient, today) as desk:
        journal = desk.pipeline.journal
        sent = journal.sent

        async def full_once(charge: str) -> None:
            if full:
                raise full.pop()
            await sent(charge)

        setattr(journal, "sent", full_once)  # noqa: B010 - an instance's own
        with pytest.raises(ImageError) as caught:
            await desk.draw(replace(OWL, count=3))
        assert caught.value.outcome_unknown
        assert "The same call" in caught.value.hint
        flux.polls.script.clear()
        result = await desk.draw(replace(OWL, count=3))
    assert isinstance(result, ImageResult)
    assert (len(result.images), result.actual_usd, bought(flux)) == (2, Decimal("0.06"), 2)
    assert "1 of 3 pictures failed earlier." in result.warnings


async def test_an_error_tells_of_the_earlier_job_in_the_dark_as_well(
    with_openai: Environ, today: Any, openai: OpenAI
) -> None:
    job, _ = await left_behind(with_openai, today, FOX, sent=True)
    openai.next(Answer(400, {"error": {"message": "no"}}))
    async with a_desk(with_openai, today) as desk:
        await desk.recover()
        with pytest.raises(ImageError) as caught:
            await desk.draw(FOX)
        assert job in caught.value.hint
        result = await desk.draw(FOX)
    assert isinstance(result, ImageResult)
    assert job in result.warnings[0]


@pytest.fixture
def both(with_openai: Environ, with_flux: Environ, openai: OpenAI, monkeypatch: pytest.MonkeyPatch) -> Environ:
    """Two vendors, the first of them out of service."""
    monkeypatch.setattr("atelier.providers.core.retry.ATTEMPTS", 1)
    openai.next(*[Answer(503, {"error": {"message": "down"}})] * 20)
    return {**with_openai, **with_flux}


async def test_a_job_that_moved_on_is_collected_from_the_vendor_that_has_it(
    both: Environ, today: Any, flux: Flux, soon: None
) -> None:
    flux.polls.next(*[PENDING] * 1000)
    fox = ImageRequest(prompt="a fox", model="gpt-image-2.5-flare", size="1024x1024")
    async with a_desk({**both, "ATELIER_TIMEOUT_SECONDS": "3"}, today, fallback=("flux-2-pro",)) as desk:
        with pytest.raises(ImageError):
            await desk.draw(fox)
        assert bought(flux) == 1
    flux.polls.script.clear()
    async with a_desk(both, today) as desk:
        result = await desk.draw(fox)
        assert isinstance(result, ImageResult)
        assert (result.provider, result.model) == ("flux", "flux-2-pro")
        assert [call.state for call in await desk.pipeline.journal.calls(result.id)] == ["released", "settled"]
    assert bought(flux) == 1


async def test_who_keeps_pictures_elsewhere_takes_up_no_job_of_ours(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any], tmp_path: Path
) -> None:
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=await submitted())
    async with a_desk({**with_flux, "ATELIER_OUTPUT_DIR": str(tmp_path / "another")}, today) as desk:
        await desk.recover()
        assert not desk.running
    found, _ = await recovered(with_flux, today, job)
    assert isinstance(found, ImageResult)
    assert bought(flux) == 1


async def test_who_has_no_key_leaves_the_task_to_those_who_have(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=await submitted())
    keyless = {name: value for name, value in with_flux.items() if name != "BFL_API_KEY"}
    await recovered(keyless, today, job)
    async with a_desk(with_flux, today) as desk:
        result = await desk.draw(OWL)
    assert isinstance(result, ImageResult)
    assert result.id == job
    assert bought(flux) == 1


async def test_a_link_that_did_not_answer_is_followed_later_and_the_others_are_kept_once(
    with_xai: Environ, today: Any, xai: XAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelier.providers.core.retry.ATTEMPTS", 1)
    xai.always_links = True
    xai.next(None, None, *[Answer(503, b"")] * 4)
    two = ImageRequest(prompt="a fox", model="grok", count=2)
    async with a_desk(with_xai, today) as desk:
        first = await desk.draw(two)
        assert isinstance(first, ImageResult)
        assert len(first.images) == 1
        desk.delivered(first.id)
        xai.script.clear()
        await desk.recover()
        while desk.running:
            await anyio.sleep(0.01)
        whole = await desk.draw(two)
    assert isinstance(whole, ImageResult)
    assert (whole.id, len(whole.images)) == (first.id, 2)
    assert whole.actual_usd == first.actual_usd
    assert len([path for path in files_in(Path(with_xai["ATELIER_OUTPUT_DIR"])) if path.suffixes == [".jpg"]]) == 2
    assert len([request for request in xai.requests if request.method == "POST"]) == 1


async def test_an_old_picture_is_matched_however_many_are_newer(
    with_openai: Environ, today: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelier.providers.recovery.PAGE", 2)
    job, (call,) = await left_behind(with_openai, today, FOX, sent=True)
    id = await stored(with_openai, job, call)
    for _ in range(5):
        await stored(with_openai, "job_other", "chg_other")
    found, _ = await recovered(with_openai, today, job)
    assert [kept.stored and kept.stored.id for kept in found.images] == [id]


async def test_what_was_billed_and_not_handed_out_is_told_as_such(
    with_flux: Environ, today: Any, flux: Flux, soon: None
) -> None:
    flux.expired = True
    async with a_desk(with_flux, today) as desk:
        with pytest.raises(ImageError):
            await desk.draw(OWL)
        flux.expired = False
        result = await desk.draw(OWL)
    assert isinstance(result, ImageResult)
    assert "it was billed $0.03, and the vendor did not hand its picture out" in result.warnings[0]
