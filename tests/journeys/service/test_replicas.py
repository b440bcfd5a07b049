"""Two replicas on PostgreSQL and a bucket: one is killed in the middle of everything, and the database goes away."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product
from typing import Any

import anyio
import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.flux_rules import PENDING
from atelier.providers.testing.server import Held
from atelier.providers.testing.waiting import LONG, until
from atelier.providers.transport.network.http_client import httpx
from tests.conftest import Environ
from tests.exhaustive import exhaustive, parameters
from tests.journeys.service.conftest import Bucket
from tests.postgres import Postgres, new_database
from tests.server.http_process import Server, body_of, meanwhile, serving, token

pytestmark = pytest.mark.anyio

TAKE_OVER = 30.0  # seconds until another replica has taken over


def asked(prompt: str) -> dict[str, Any]:
    """Return the body of a request that costs $0.03."""
    return body_of({"prompt": prompt, "model": "flux-2-pro", "size": "256x256"})


@dataclass
class Table:
    """What the database says when all is at rest."""

    url: str

    def rows(self, query: str) -> list[Any]:
        """Return the rows of a query."""
        engine = create_engine(make_url(self.url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
        with engine.connect() as connection:
            return list(connection.execute(text(query)))

    def states(self) -> dict[str, int]:
        """Return how many jobs are in each state."""
        return {row[0]: row[1] for row in self.rows("SELECT state, count(*) FROM jobs GROUP BY state")}

    def at_rest(self) -> bool:
        """Return whether no job runs."""
        return "running" not in self.states()


@dataclass
class Callers:
    """Callers who ask one replica, and the other where that does not answer."""

    servers: list[Server]
    images: dict[tuple[str, str], set[str]] = field(default_factory=dict[tuple[str, str], set[str]])
    statuses: Counter[int] = field(default_factory=Counter[int])

    async def ask_all(self, customers: list[str], prompts: list[str]) -> None:
        """Ask for every prompt of every customer twice, all at once, until each has its image."""
        limits = httpx.Limits(max_connections=None)
        tokens = {customer: {"Authorization": f"Bearer {token(customer)}"} for customer in customers}
        async with (
            httpx.AsyncClient(timeout=10 * LONG, trust_env=False, limits=limits) as web,
            anyio.create_task_group() as tasks,
        ):
            for number, (customer, prompt, _) in enumerate(product(customers, prompts, range(2))):
                tasks.start_soon(self._ask, web, number, customer, prompt, tokens[customer])

    async def _ask(
        self, web: httpx.AsyncClient, number: int, customer: str, prompt: str, headers: dict[str, str]
    ) -> None:
        again = 0
        while True:
            server = self.servers[number % len(self.servers)]
            number += 1
            try:
                key = {"Idempotency-Key": f"{customer}-{prompt.split()[-1]}-{again}"}
                answer = await web.post(f"{server.url}/image/generate", json=asked(prompt), headers=headers | key)
            except httpx.TransportError:
                await anyio.sleep(0.2)
                continue
            self.statuses[answer.status_code] += 1
            if answer.status_code == 200:
                ids = {image["id"] for image in answer.json()["data"]["images"]}
                self.images.setdefault((customer, prompt), set()).update(ids)
                return
            if answer.status_code == 500 and answer.json()["error"]["facts"].get("outcome") == "unknown":
                again += 1  # told that it may be billed, the caller asks once more
                continue
            assert answer.status_code in (202, 429), answer.text  # the rest would not pass
            await anyio.sleep(float(answer.headers["retry-after"]) / 4)


def print_table(*lines: tuple[str, object]) -> None:
    """Write the figures of a run; `pytest -s` shows them."""
    sys.stdout.write("\n" + "".join(f"{name:28} {value}\n" for name, value in lines))


@pytest.fixture
def shared(with_flux: Environ, bucket: Bucket) -> Environ:
    """Return the settings of replicas. Each has a state folder of its own."""
    return {
        **with_flux,
        **bucket.environ,
        "ATELIER_STATE_URL": new_database(),
        "ATELIER_LINK_SECRET": "a secret of links that all replicas have",
        "ATELIER_CONCURRENCY": "16",
        "ATELIER_QUEUE_LIMIT": "1000",
    }


@exhaustive
@pytest.mark.parametrize(
    ("customers", "prompts"),
    [parameters(4, 4, is_fast=True, id="32 callers"), parameters(10, 25, is_fast=False, id="500 callers")],
)
async def test_a_replica_that_is_killed_loses_nothing_and_nothing_is_billed_twice(
    shared: Environ, tmp_path: Any, flux: Flux, customers: int, prompts: int
) -> None:
    names, words = [f"customer-{n}" for n in range(customers)], [f"an owl, number {n}" for n in range(prompts)]
    environs = [{**shared, "ATELIER_STATE_DIR": str(tmp_path / f"state-{n}")} for n in range(2)]
    table = Table(shared["ATELIER_STATE_URL"])
    with serving(environs[0]) as doomed, serving(environs[1]) as other:
        callers = Callers([doomed, other])
        flux.credits = 10_000.0
        flux.polls.next(*[PENDING] * customers * prompts)

        async def kill() -> None:
            while len(flux.polls.requests) < customers * prompts / 3:  # in the middle of its jobs
                await anyio.sleep(0.01)
            callers.servers.remove(doomed)
            os.kill(doomed.process.pid, signal.SIGKILL)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kill)
            tasks.start_soon(callers.ask_all, names, words)
        with anyio.fail_after(TAKE_OVER):
            while not table.at_rest():
                await anyio.sleep(0.1)

        assert callers.images.keys() == set(product(names, words))  # nothing is lost
        calls = dict(table.rows("SELECT state, count(*) FROM vendor_calls GROUP BY state"))
        settled = table.rows("SELECT coalesce(sum(spent_usd), 0) FROM vendor_calls WHERE state = 'settled'")[0][0]
        billed = sum((bill.usd for bill in flux.billed), Decimal(0))
        unknown = calls.get("unknown", 0)  # killed between the request and its answer: nobody has the task's id
        print_table(
            ("callers", 2 * customers * prompts),
            *((f"answers {status}", count) for status, count in sorted(callers.statuses.items())),
            *((f"jobs {state}", count) for state, count in sorted(table.states().items())),
            *((f"vendor calls {state}", count) for state, count in sorted(calls.items())),
            ("USD billed by the vendor", billed),
            ("USD settled", settled),
        )
        assert len(flux.billed) - calls["settled"] <= unknown
        assert calls["settled"] == customers * prompts  # nothing is bought twice
        assert Decimal("0.03") * calls["settled"] == settled  # exact to the micro-dollar
        assert billed - settled == Decimal("0.03") * (len(flux.billed) - calls["settled"])

        stored = table.rows("SELECT a.id, j.caller FROM assets a JOIN jobs j ON j.id = a.job_id")
        owners = dict(stored)
        assert {id for ids in callers.images.values() for id in ids} <= owners.keys()
        assert len(owners) == calls["settled"]  # no image is stored twice
        for (customer, _), ids in callers.images.items():
            assert {owners[id] for id in ids} == {customer}
        for reader in names[:2]:
            with other.web(reader) as web:
                for id, owner in list(owners.items())[:40]:
                    assert web.get(f"/image/{id}/file").status_code == (200 if owner == reader else 404)


@exhaustive
async def test_any_replica_answers_for_a_job_an_image_and_a_link_of_another(
    shared: Environ, tmp_path: Any, flux: Flux
) -> None:
    one, two = ({**shared, "ATELIER_STATE_DIR": str(tmp_path / f"state-{n}")} for n in range(2))
    with serving({**one, "ATELIER_WAIT_SECONDS": "1"}) as first, serving(two) as second:
        flux.polls.next(*[PENDING] * 3)
        made = first.draw({"prompt": "an owl", "model": "flux-2-pro", "size": "256x256"})
        assert made.status_code == 202
        job = made.json()["data"]["job"]
        until(lambda: second.get(f"/image/{job}").status_code == 200)
        image = second.get(f"/image/{job}").json()["data"]["images"][0]
        assert second.get(f"/image/{image['id']}/file").status_code == 200
        with httpx.Client(trust_env=False) as anybody:
            assert anybody.get(image["url"]).status_code == 200
        assert second.get("/usage").json()["data"]["today"]["spent_usd"] == 0.03


@exhaustive
async def test_budgets_and_rate_limits_hold_across_replicas(shared: Environ, tmp_path: Any, flux: Flux) -> None:
    limits = {"ATELIER_BUDGET_PER_DAY": "0.10", "ATELIER_RATE_LIMIT": "12"}
    one, two = ({**shared, **limits, "ATELIER_STATE_DIR": str(tmp_path / f"state-{n}")} for n in range(2))
    with serving(one) as first, serving(two) as second:
        statuses = [
            (first, second)[number % 2].draw({"prompt": f"owl {number}", "model": "flux-2-pro", "size": "256x256"})
            for number in range(14)
        ]
        counts = Counter(answer.status_code for answer in statuses)
    assert counts[200] == 3  # of $0.03 in $0.10
    assert counts[402] >= 1
    assert counts[429] >= 1
    assert len(flux.billed) == 3


@exhaustive
async def test_a_database_that_goes_away_loses_nothing_that_was_paid_for(shared: Environ, flux: Flux) -> None:
    own = Postgres()
    held = Held()
    with serving({**shared, "ATELIER_STATE_URL": own.url}) as server:
        assert server.get("/readyz", None).status_code == 200
        flux.polls.next(held)
        with meanwhile(lambda: server.draw({"prompt": "an owl", "model": "flux-2-pro", "size": "256x256"})) as answers:
            await held.arrival()
            own.stop()
            until(lambda: server.get("/readyz", None).status_code == 503)
            held.go.set()
            await anyio.sleep(2)
            own.start()
        assert [answer.status_code for answer in answers] == [200]
        until(lambda: server.get("/readyz", None).status_code == 200)
        table = Table(own.url)
        settled = [("settled", Decimal("0.03"))]
        until(lambda: table.rows("SELECT state, spent_usd FROM vendor_calls") == settled and table.at_rest())
        assert table.states() == {"done": 1}
        assert len(flux.billed) == 1
    own.stop()
