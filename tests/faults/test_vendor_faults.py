"""Every way in which a vendor can fail us, vendor by vendor: the books are right, and the next call is safe."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import ImageResult
from atelier.providers.testing.emulators import flux_rules as flux
from atelier.providers.testing.waiting import eventually
from tests.conftest import Environ
from tests.exhaustive import sample
from tests.faults import proxy as faulty
from tests.faults.books import Books
from tests.faults.proxy import Fault, Held, Says
from tests.faults.world import TASKS, VENDORS, World, desk_over, request_for

PENDING = Says(200, b'{"status": "Pending"}')
SOON = "1.5"  # seconds until a call is given up, where it has to be


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What befalls the requests of a kind, once or always, and in what state the job is to end.

    `billed` is how often the vendor bills. `late` means that the next call collects it.
    """

    kind: str = "put"
    once: tuple[Fault, ...] = ()
    always: Fault | None = None
    ends: str
    billed: int
    late: bool = False
    environ: Mapping[str, str] = field(default_factory=dict[str, str])


def slowly(**words: Any) -> Case:
    return Case(environ={"ATELIER_TIMEOUT_SECONDS": SOON}, **words)


PUTS = {
    "reset before the body": Case(once=(faulty.reset_early,), ends="unknown", billed=0),
    "reset, never heard": Case(once=(faulty.reset_unheard,), ends="unknown", billed=0),
    "reset after the body": Case(once=(faulty.reset_late,), ends="unknown", billed=1),
    "reset midway": Case(once=(faulty.reset_midway,), ends="unknown", billed=1),
    "truncated JSON": Case(once=(faulty.truncated,), ends="unknown", billed=1),
    "wrong length": Case(once=(faulty.too_long,), ends="done", billed=1),
    "slow drip": slowly(once=(faulty.dripping,), ends="unknown", billed=1),
    "silence": slowly(once=(faulty.silent,), ends="unknown", billed=1),
    "429 once": Case(once=(Says(429),), ends="done", billed=1),
    "429 storm": Case(always=Says(429), ends="failed", billed=0),
    "5xx burst": Case(once=(Says(500), Says(502), Says(503)), ends="done", billed=1),
    "5xx without end": Case(always=Says(503), ends="failed", billed=0),
    "refused by the vendor": Case(once=(Says(400),), ends="failed", billed=0),
    "redirected elsewhere": Case(once=(Says(302, headers=(("location", "/"),)),), ends="failed", billed=0),
}

POLLS = {
    "polls reset": Case(kind="poll", once=(faulty.reset_early, faulty.reset_midway), ends="done", billed=1),
    "polls truncated": Case(kind="poll", once=(faulty.truncated,), ends="done", billed=1),
    "polls 429 and 5xx": Case(kind="poll", once=(Says(429), Says(500), Says(503)), ends="done", billed=1),
    "polls fail without end": Case(kind="poll", always=Says(503), ends="unknown", billed=1, late=True),
    "polls are no JSON": Case(kind="poll", always=Says(200, b"{"), ends="unknown", billed=1, late=True),
}

GETS = {
    "download reset": Case(kind="get", once=(faulty.reset_early, faulty.reset_midway), ends="done", billed=1),
    "download too short": Case(kind="get", once=(faulty.too_long,), ends="done", billed=1),
    "download 5xx": Case(kind="get", once=(Says(500), Says(503)), ends="done", billed=1),
    "download fails without end": Case(kind="get", always=Says(503), ends="unknown", billed=1, late=True),
    "download broken": Case(kind="get", once=(faulty.truncated,), ends="done", billed=1),
    "link expires": Case(kind="get", always=Says(403), ends="unknown", billed=1),
    "link leads nowhere": Case(kind="get", always=Says(404), ends="unknown", billed=1),
}

CASES = [
    *((label, vendor, case) for label, case in PUTS.items() for vendor in VENDORS),
    *((label, vendor, case) for label, case in POLLS.items() for vendor in TASKS),
    ("poll never ends", "flux", slowly(kind="poll", always=PENDING, ends="unknown", billed=1, late=True)),
    ("poll never ends", "relight", slowly(kind="poll", always=Says(202), ends="unknown", billed=1, late=True)),
    ("link expires once", "flux", Case(kind="get", once=(Says(403),), ends="done", billed=1)),
    *((label, vendor, case) for label, case in GETS.items() for vendor in ("flux", "xai")),
]  # fmt: skip


def one_vendor_each(cases: list[tuple[str, str, Case]]) -> list[tuple[str, str, Case]]:
    """Return every fault with one of the vendors that it is tried with, with each of them in turn."""
    by_label = {label: [case for case in cases if case[0] == label] for label, _, _ in cases}
    return [found[number % len(found)] for number, found in enumerate(by_label.values())]


async def drawn(environ: Environ, vendor: str, count: int = 1) -> ImageResult | ImageError:
    """What a call comes to; its answer is delivered, as a server does."""
    async with desk_over(environ) as service:
        try:
            result = await service.submit(request_for(vendor, count))
        except ImageError as error:
            return error
        assert isinstance(result, ImageResult)
        service.mark_delivered(result.id)
        return result


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("label", "vendor", "case"), sample(CASES, one_vendor_each(CASES), id=lambda case: f"{case[0]}, {case[1]}")
)
async def test_a_fault_on_the_way(around: World, tmp_path: Path, label: str, vendor: str, case: Case) -> None:
    proxy, environ = around.proxy(vendor), around.environ(tmp_path)
    proxy.next(case.kind, *case.once)
    if case.always:
        proxy.always[case.kind] = case.always
    first = await drawn({**environ, **case.environ}, vendor)
    unkept = label in ("link expires", "link leads nowhere")
    books = Books.read(tmp_path).checked(label, around.billed, unkept=unkept or case.late)
    assert (books.job.state, len(around.billed)) == (case.ends, case.billed)
    assert isinstance(first, ImageResult) == (case.ends == "done")

    proxy.reset()
    again = await drawn(environ, vendor)  # a call that was answered, or failed, is made anew
    assert isinstance(again, ImageResult)
    assert (again.id == books.job.id) == case.late
    warned = any(books.job.id in warning for warning in again.warnings)
    assert warned == (case.ends == "unknown" and not case.late)
    Books.read(tmp_path).checked("the same call again", around.billed, unkept=unkept)
    assert len(around.billed) == (case.billed if case.late else case.billed + 1)


@pytest.mark.anyio
@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_connection_refused_costs_nothing(around: World, tmp_path: Path, vendor: str) -> None:
    with around.proxy(vendor).down():
        assert isinstance(await drawn(around.environ(tmp_path), vendor), ImageError)
    books = Books.read(tmp_path).checked("connection refused", around.billed)
    assert (books.job.state, around.billed) == ("failed", [])


@pytest.mark.anyio
@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_name_that_leads_nowhere_costs_nothing(around: World, tmp_path: Path, vendor: str) -> None:
    environ = around.environ(tmp_path)
    environ |= {name: "http://vendor.invalid" for name in environ if name.endswith("_BASE_URL")}
    assert isinstance(await drawn(environ, vendor), ImageError)
    books = Books.read(tmp_path).checked("no such host", around.billed)
    assert (books.job.state, around.billed) == ("failed", [])


@pytest.mark.anyio
@pytest.mark.parametrize("vendor", VENDORS)
async def test_some_calls_of_a_job_fail_and_the_others_are_kept(around: World, tmp_path: Path, vendor: str) -> None:
    around.proxy(vendor).next("put", faulty.reset_late)
    first = await drawn(around.environ(tmp_path), vendor, 3)
    one_call = vendor in ("openai", "xai")
    assert isinstance(first, ImageError) == one_call
    books = Books.read(tmp_path).checked("one call of three is reset", around.billed)
    assert books.job.state == ("unknown" if one_call else "done")
    assert len(books.records) == (0 if one_call else 2)


@pytest.mark.anyio
@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_caller_who_goes_away_collects_with_the_same_call(around: World, tmp_path: Path, vendor: str) -> None:
    environ, held = around.environ(tmp_path), Held()
    around.proxy(vendor).next("put", held)
    async with desk_over(environ) as service:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.submit, request_for(vendor))
            await held.arrival()
            tasks.cancel_scope.cancel()
        held.go.set()
    books = Books.read(tmp_path).checked("the caller goes away", around.billed)
    assert (books.job.state, books.job.delivered, len(books.records)) == ("done", False, 1)
    async with desk_over(environ) as service:
        result = await service.submit(request_for(vendor))
    assert isinstance(result, ImageResult)
    assert result.id == books.job.id
    Books.read(tmp_path).checked("the caller comes back", around.billed)
    assert len(around.billed) == 1


@pytest.mark.anyio
async def test_a_caller_who_leaves_the_queue_costs_nothing(around: World, tmp_path: Path) -> None:
    environ, held = around.environ(tmp_path, ATELIER_CONCURRENCY="1"), Held()
    around.proxy("openai").next("put", held)
    async with desk_over(environ) as service, anyio.create_task_group() as tasks:
        tasks.start_soon(service.submit, request_for("openai"))
        await held.arrival()
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(service.submit, request_for("openai", prompt="an owl"))
            await eventually(lambda: len(service.active_jobs) == 2)
            leaving.cancel_scope.cancel()
        held.go.set()
    books = Books.read(tmp_path).checked("leaves the queue", around.billed)
    assert sorted(job.state for job in books.jobs.values()) == ["cancelled", "done"]
    assert len(around.billed) == 1


@pytest.mark.anyio
async def test_a_job_of_more_calls_than_turns_is_made_whole_where_none_may_wait(around: World, tmp_path: Path) -> None:
    environ, held = around.environ(tmp_path, ATELIER_QUEUE_LIMIT="0", ATELIER_CONCURRENCY="3"), Held()
    around.proxy("flux").always["put"] = held
    results = list[Any]()
    async with desk_over(environ) as service, anyio.create_task_group() as tasks:

        async def five() -> None:
            results.append(await service.submit(request_for("flux", 5)))

        tasks.start_soon(five)
        await held.arrival()
        try:
            with pytest.raises(ImageError, match="there is no queue; nothing was sent"):
                await service.submit(request_for("flux", 2, prompt="an owl"))
        finally:
            held.go.set()
    assert [len(result.images) for result in results] == [5]
    books = Books.read(tmp_path).checked("no queue", around.billed)
    assert sorted(job.state for job in books.jobs.values()) == ["done", "failed"]
    assert len(around.billed) == 5


@pytest.mark.anyio
@pytest.mark.parametrize("vendor", VENDORS)
async def test_ten_callers_of_the_same_pay_once(around: World, tmp_path: Path, vendor: str) -> None:
    held, results = Held(), list[Any]()
    around.proxy(vendor).next("put", held)
    async with desk_over(around.environ(tmp_path)) as service, desk_over(around.environ(tmp_path)) as other:

        async def one(index: int) -> None:
            results.append(await (service, other)[index % 2].submit(request_for(vendor)))

        async with anyio.create_task_group() as tasks:
            for index in range(10):
                tasks.start_soon(one, index)
            await held.arrival()
            held.go.set()
    assert len({result.id for result in results}) == 1
    Books.read(tmp_path).checked("ten callers at once", around.billed)
    assert len(around.billed) == 1


@pytest.mark.anyio
async def test_a_moderated_task_is_billed_as_the_vendor_states(around: World, tmp_path: Path) -> None:
    around.proxy("flux").always["poll"] = Says(200, json.dumps(flux.CONTENT_MODERATED.body).encode())
    with contextlib.suppress(ImageError):
        await drawn(around.environ(tmp_path), "flux")
    books = Books.read(tmp_path).checked("moderated after the work", around.billed, unkept=True)
    assert (books.job.state, [charge.state for charge in books.charges]) == ("failed", ["settled"])
