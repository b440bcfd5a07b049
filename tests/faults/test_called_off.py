"""Who goes away while no vendor can have the request pays nothing, and at once; from then on it is seen through."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.results import ImageResult
from atelier.providers.jobs.service import ImageService, JobHandle
from atelier.providers.testing.waiting import LONG, eventually
from tests.conftest import Environ
from tests.faults import proxy as faulty
from tests.faults.books import Books
from tests.faults.proxy import Held, Says
from tests.faults.world import VENDORS, World, desk_over, request_for

pytestmark = pytest.mark.anyio

WANTED_LATER = (("content-type", "application/json"), ("retry-after", "30"))
AT_ONCE = 20.0  # seconds; every pause and every deadline here is longer


class Heard:
    """Whoever waits, until it hears of a pause."""

    def __init__(self) -> None:
        self.pause = anyio.Event()

    async def __call__(self, message: str) -> None:
        if "trying again" in message:
            self.pause.set()


async def called_off(
    service: ImageService, vendor: str, when: Callable[[], Any], count: int = 1, **options: Any
) -> None:
    """Ask, go away once `when` has come, and wait for what becomes of it."""
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            await service.submit(request_for(vendor, count), **options)

        tasks.start_soon(ask)
        with anyio.fail_after(LONG):
            await when()
        tasks.cancel_scope.cancel()
    with anyio.fail_after(AT_ONCE):
        await eventually(lambda: not service.active_jobs)


def nothing_spent(around: World, folder: Path, label: str) -> None:
    books = Books.read(folder).checked(label, around.billed)
    assert (books.job.state, [charge.state for charge in books.charges]) == ("cancelled", ["released"])
    assert around.billed == []


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("vendor", VENDORS)
async def test_in_the_pause_after_a_free_refusal(around: World, tmp_path: Path, vendor: str, status: int) -> None:
    around.proxy(vendor).next("put", Says(status, headers=WANTED_LATER))
    environ, heard = around.environ(tmp_path), Heard()
    async with desk_over(environ) as service:
        await called_off(service, vendor, heard.pause.wait, on_progress=heard)
        nothing_spent(around, tmp_path, "called off in a pause")
        assert around.proxy(vendor).seen == ["put"]
        assert isinstance(await service.submit(request_for(vendor)), ImageResult)
    assert len(around.billed) == 1


async def test_in_the_pause_after_a_connection_was_refused(
    around: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 30.0)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    heard = Heard()
    async with desk_over(around.environ(tmp_path)) as service:
        with around.proxy("openai").down():
            await called_off(service, "openai", heard.pause.wait, on_progress=heard)
    nothing_spent(around, tmp_path, "called off, refused")


async def test_by_the_end_of_the_server(around: World, tmp_path: Path) -> None:
    around.proxy("openai").next("put", Says(429, headers=WANTED_LATER))
    heard = Heard()
    with anyio.fail_after(AT_ONCE):
        async with anyio.create_task_group() as tasks, desk_over(around.environ(tmp_path)) as service:
            tasks.start_soon(told_that_nothing_was_sent, service, heard)
            await heard.pause.wait()
    nothing_spent(around, tmp_path, "the server ends in a pause")


async def told_that_nothing_was_sent(service: ImageService, heard: Heard) -> None:
    with pytest.raises(Exception, match="nothing was sent"):
        await service.submit(request_for("openai"), on_progress=heard)


async def test_by_its_id(around: World, tmp_path: Path) -> None:
    around.proxy("openai").next("put", Says(429, headers=WANTED_LATER))
    async with desk_over(around.environ(tmp_path)) as service:
        ticket = await service.with_wait(0.1).submit(request_for("openai"))
        assert isinstance(ticket, JobHandle)
        with anyio.fail_after(AT_ONCE):
            while "trying again" not in ticket.latest:
                ticket = await service.with_wait(0.1).get_result(ticket.id)
                assert isinstance(ticket, JobHandle)
            service.cancel(ticket.id)
            await eventually(lambda: not service.active_jobs)
    nothing_spent(around, tmp_path, "called off by its id")


@contextmanager
def nobody_takes_it() -> Generator[int]:
    """A port where a connection is asked for and neither made nor refused."""
    with ExitStack() as stack:
        listener = stack.enter_context(closing(socket.socket()))
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.skipif(sys.platform != "linux", reason="what a full backlog does is each system's own")
async def test_while_the_connection_is_made(around: World, tmp_path: Path) -> None:
    with nobody_takes_it() as port:
        environ = {**around.environ(tmp_path), "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}
        async with desk_over(environ) as service:

            async def dialling() -> None:
                while [call.state for id in service.active_jobs for call in await calls(id)] != ["sent"]:
                    await anyio.sleep(0.005)
                await anyio.wait_all_tasks_blocked()

            calls = service.pipeline.store.list_calls
            await called_off(service, "openai", dialling)
    nothing_spent(around, tmp_path, "called off, dialling")


async def test_in_the_handshake_and_the_connection_is_closed(around: World, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(AT_ONCE)
        taken = list[socket.socket]()

        def hello() -> None:
            taken.append(listener.accept()[0])
            taken[0].settimeout(AT_ONCE)
            assert taken[0].recv(1) == b"\x16"  # of TLS, and nothing of the request

        environ = {**around.environ(tmp_path), "OPENAI_BASE_URL": f"https://127.0.0.1:{listener.getsockname()[1]}/v1"}
        async with desk_over(environ) as service:
            await called_off(service, "openai", lambda: anyio.to_thread.run_sync(hello))
            with closing(taken[0]):
                await anyio.to_thread.run_sync(until_it_is_closed, taken[0])
    nothing_spent(around, tmp_path, "called off, greeting")


def until_it_is_closed(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


async def test_too_late_when_another_try_is_under_way(around: World, tmp_path: Path) -> None:
    held = Held()
    around.proxy("openai").next("put", Says(429), held)
    async with desk_over(around.environ(tmp_path)) as service:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.submit, request_for("openai"))
            await held.arrival()
            tasks.cancel_scope.cancel()
        held.go.set()
    books = Books.read(tmp_path).checked("called off too late", around.billed)
    assert (books.job.state, len(books.records), len(around.billed)) == ("done", 1, 1)


async def test_what_one_call_of_a_job_was_sent_is_kept_and_the_other_is_called_off(
    around: World, tmp_path: Path
) -> None:
    held, heard = Held(), Heard()
    around.proxy("flux").next("put", held, Says(429, headers=WANTED_LATER))

    async def both() -> None:
        await held.arrival()
        await heard.pause.wait()
        held.go.set()

    async with desk_over(around.environ(tmp_path)) as service:
        await called_off(service, "flux", both, 2, on_progress=heard)
    books = Books.read(tmp_path).checked("one of two is called off", around.billed)
    assert sorted(charge.state for charge in books.charges) == ["released", "settled"]
    assert (books.job.state, len(books.records), len(around.billed)) == ("done", 1, 1)


async def test_after_a_timeout_it_is_not_sent_again_and_what_it_may_have_cost_stays(
    around: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 0.5)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    around.proxy("openai").next("put", faulty.silent)
    environ: Environ = {"ATELIER_RETRY_TIMEOUTS": "true", "ATELIER_TIMEOUT_SECONDS": "1"}
    heard = Heard()
    async with desk_over({**around.environ(tmp_path), **environ}) as service:
        await called_off(service, "openai", heard.pause.wait, on_progress=heard)
    assert around.proxy("openai").seen == ["put"]
    books = Books.read(tmp_path).checked("called off after a timeout", around.billed)
    assert (books.job.state, [charge.state for charge in books.charges]) == ("unknown", ["unknown"])


async def test_after_a_timeout_that_was_made_again_both_stay_in_the_books(around: World, tmp_path: Path) -> None:
    around.proxy("openai").next("put", faulty.silent, Says(429, headers=WANTED_LATER))
    environ: Environ = {"ATELIER_RETRY_TIMEOUTS": "true", "ATELIER_TIMEOUT_SECONDS": "0.5"}
    async with desk_over({**around.environ(tmp_path), **environ}) as service:
        with pytest.raises(Exception, match="429"):
            await service.submit(request_for("openai"))
    books = Books.read(tmp_path).checked("refused after a timeout", around.billed)
    assert (books.job.state, sorted(charge.state for charge in books.charges)) == ("unknown", ["released", "unknown"])
