"""Many calls into many troubles at once, by chance: whatever happens, the books are right and nothing is lost.

Each run is one seed. The fast part tries the seeds of `FAST_SEEDS`, the exhaustive part as many as `--fault-runs` says.
`pytest -m exhaustive tests/faults/test_random.py --fault-seed N --fault-runs 1` throws the same dice again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.jobs.service import ImageService
from tests.exhaustive import parameters
from tests.faults import proxy as faulty
from tests.faults.books import Books
from tests.faults.proxy import Fault, Says
from tests.faults.world import VENDORS, World, desk_over, request_for

FAST_SEEDS = range(36, 60)  # they throw every vendor and every trouble at least once
STEPS = (
    "open_job",
    "mark_sent",
    "save_vendor_task",
    "add_asset",
    "settle_call",
    "mark_call_unknown",
    "release_call",
    "finish_job",
    "mark_delivered",
    "find_duplicate",
    "get_job",
)
PUTS: tuple[Fault | None, ...] = (
    None, None, None, faulty.reset_early, faulty.reset_unheard, faulty.reset_late, faulty.reset_midway,
    faulty.truncated, faulty.too_long, Says(429), Says(429), Says(500), Says(503), Says(400), Says(401), Says(402),
)  # fmt: skip
AFTERWARDS: tuple[Fault | None, ...] = (
    None, None, faulty.reset_early, faulty.reset_late, faulty.reset_midway, faulty.too_long, Says(429), Says(503),
    faulty.truncated,
)  # fmt: skip
MODELS = ("gpt-image-2.5-flare", "flux-2-pro", "stable-image-core", "grok-imagine-image-2.0")

Step = Callable[..., Coroutine[Any, Any, Any]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first, runs = (int(str(metafunc.config.getoption(name))) for name in ("--fault-seed", "--fault-runs"))
        fast = [parameters(seed, is_fast=True, id=f"fast {seed}") for seed in FAST_SEEDS]
        rest = [parameters(seed, is_fast=False) for seed in range(first, first + runs)]
        metafunc.parametrize("seed", [*fast, *rest])


@dataclass(slots=True)
class Dice:
    """What a seed says is to happen."""

    vendor: str
    count: int
    puts: list[Fault | None]
    polls: list[Fault | None]
    gets: list[Fault | None]
    cut: str | None
    callers: int
    goes: tuple[str, bool] | None
    full: str | None
    crowded: bool
    fallback: tuple[str, ...]
    concurrency: int
    down: bool

    @classmethod
    def thrown(cls, seed: int) -> Dice:
        """By a seed."""
        chance = random.Random(seed)
        return cls(
            vendor=chance.choice(VENDORS),
            count=chance.choice((1, 1, 2, 3)),
            puts=chance.choices(PUTS, k=chance.randrange(5)),
            polls=chance.choices(AFTERWARDS, k=chance.randrange(4)),
            gets=chance.choices(AFTERWARDS, k=chance.randrange(4)),
            cut=chance.choice(("poll", "get")) if chance.random() < 0.1 else None,
            callers=chance.choice((1, 1, 2, 3)),
            goes=(chance.choice(STEPS), chance.random() < 0.5) if chance.random() < 0.5 else None,
            full=chance.choice(STEPS) if chance.random() < 0.25 else None,
            crowded=chance.random() < 0.1,
            fallback=tuple(chance.sample(MODELS, 2)) if chance.random() < 0.25 else (),
            concurrency=chance.choice((1, 2, 3)),
            down=chance.random() < 0.05,
        )

    @property
    def unkept(self) -> bool:
        """Whether a picture that is billed may be had by nobody: it was broken time and again, or the disk is."""
        return self.crowded or self.gets.count(faulty.truncated) > 1


def hooked(service: ImageService, dice: Dice, goes: anyio.CancelScope) -> None:
    """The journal and the storage of a desk, with what the dice have for them: the first caller goes, the disk is full
    once."""
    journal, storage, full = service.pipeline.store, service.pipeline.storage, [dice.full]
    assert storage is not None

    def step(name: str, own: Step) -> Step:
        async def wrapped(*arguments: Any) -> Any:
            if full[0] == name:
                full[0] = None
                raise ImageError(Reason.STORAGE_FAILED, "The journal is full.")
            if dice.goes == (name, False):
                goes.cancel()
            found = await own(*arguments)
            if dice.goes == (name, True):
                goes.cancel()
            return found

        return wrapped

    for name in STEPS:
        setattr(journal, name, step(name, getattr(journal, name)))
    if dice.crowded:
        put, crowded = storage.put, [True]

        async def once(*arguments: Any) -> Any:
            if crowded.pop() if crowded else False:
                raise ImageError(Reason.STORAGE_FAILED, "The disk is full.")
            return await put(*arguments)

        setattr(storage, "put", once)  # noqa: B010 - an instance's own


async def called(
    service: ImageService, dice: Dice, results: list[ImageResult], seed: int, scope: anyio.CancelScope
) -> None:
    """One caller, who delivers what it gets, unless it has gone."""
    with scope:
        try:
            result = await service.submit(
                request_for(dice.vendor, dice.count, f"a fox, {seed}"), fallback=dice.fallback
            )
        except ImageError as error:
            if error.reason is Reason.INTERNAL:
                raise
            return
        assert isinstance(result, ImageResult)
        results.append(result)
        service.mark_delivered(result.id)


@pytest.mark.anyio
async def test_whatever_happens(around: World, tmp_path: Path, seed: int) -> None:
    dice = Dice.thrown(seed)
    proxy, environ = around.proxy(dice.vendor), around.environ(tmp_path, ATELIER_CONCURRENCY=str(dice.concurrency))
    proxy.next("put", *dice.puts)
    proxy.next("poll", *dice.polls)
    proxy.next("get", *dice.gets)
    if dice.cut:
        proxy.always[dice.cut] = Says(503)
    results = list[ImageResult]()
    async with desk_over(environ) as service:
        goes = anyio.CancelScope()
        hooked(service, dice, goes)
        async with anyio.create_task_group() as tasks:
            for index in range(dice.callers):
                scope = goes if index == 0 else anyio.CancelScope()
                if dice.down and index == 0:
                    with proxy.down():
                        await called(service, dice, results, seed, scope)
                else:
                    tasks.start_soon(called, service, dice, results, seed, scope)
    books = Books.read(tmp_path).checked("by chance", around.billed, unkept=dice.unkept or bool(dice.cut))
    paid, last = len(around.billed), max(books.jobs.values(), key=lambda job: job.id, default=None)

    around.reset_proxies()
    calm, again = replace(dice, fallback=()), list[ImageResult]()
    async with desk_over(environ) as service:
        await called(service, calm, again, seed, anyio.CancelScope())
    assert len(again) == 1, dice
    warned = [job.id for job in books.jobs.values() if any(job.id in each for each in again[0].warnings)]
    kept = last and last.state == "done" and last.outcome["images"]
    late = last and last.state == "unknown" and last.outcome.get("collectable")
    if last and ((kept and not last.delivered) or late):
        assert (again[0].id, len(around.billed)) == (last.id, paid), dice
    elif last and last.state == "unknown":
        assert last.id in warned, dice
    else:
        assert len(around.billed) > paid, dice
    Books.read(tmp_path).checked("by chance, then the same call", around.billed, unkept=dice.unkept)
