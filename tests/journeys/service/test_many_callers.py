"""Many callers at once: each call is answered or refused at once, nothing is billed twice, callers stay apart."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

import anyio
import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.waiting import LONG
from atelier.providers.transport.network.http_client import httpx
from tests.conftest import Environ
from tests.exhaustive import exhaustive, parameters
from tests.server.http_process import Server, serving, token

pytestmark = pytest.mark.anyio

FLARE = "gpt-image-2.5-flare"
REFUSED_WITHIN = 10.0  # seconds, on a machine that does much else


@dataclass(frozen=True)
class Answered:
    """What one caller got."""

    customer: str
    prompt: str
    response: httpx.Response
    seconds: float


async def draw_all(server: Server, customers: list[str], prompts: list[str]) -> list[Answered]:
    """Every customer asks for every prompt twice, all at the same time."""
    found = list[Answered]()
    clients = {customer: token(customer) for customer in customers}

    async def draw(customer: str, prompt: str) -> None:
        body = {"model": FLARE, "prompt": prompt, "size": "1024x1024", "quality": "low", "response_format": "url"}
        headers = {"Authorization": f"Bearer {clients[customer]}"}
        began = time.monotonic()
        response = await web.post("/v1/images/generations", json=body, headers=headers)
        found.append(Answered(customer, prompt, response, time.monotonic() - began))

    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=10 * LONG, trust_env=False, limits=limits) as web,
        anyio.create_task_group() as tasks,
    ):
        for customer, prompt, _ in product(customers, prompts, range(2)):
            tasks.start_soon(draw, customer, prompt)
    return found


@exhaustive
@pytest.mark.parametrize(
    ("customers", "prompts", "queue"),
    [parameters(4, 5, 6, is_fast=True, id="40 callers"), parameters(10, 15, 60, is_fast=False, id="300 callers")],
)
async def test_each_is_answered_or_refused_and_nothing_is_billed_twice(
    with_openai: Environ, openai: OpenAI, customers: int, prompts: int, queue: int
) -> None:
    names, words = [f"customer-{n}" for n in range(customers)], [f"a fox, number {n}" for n in range(prompts)]
    environ = {**with_openai, "ATELIER_QUEUE_LIMIT": str(queue), "ATELIER_CONCURRENCY": "4"}
    with serving(environ) as server:
        found = await draw_all(server, names, words)
        made, refused = ([each for each in found if each.response.is_success == good] for good in (True, False))
        assert Counter(each.response.status_code for each in found).keys() == {200, 429}
        assert {each.response.json()["error"]["code"] for each in refused} == {"rate_limit_exceeded"}
        assert all("retry-after" in each.response.headers for each in refused)
        assert max(each.seconds for each in refused) < REFUSED_WITHIN

        images = {(each.customer, each.prompt): each.response.json()["data"][0]["id"] for each in made}
        assert {each.response.json()["data"][0]["id"] for each in made} == set(images.values())  # pairs share one
        assert len(openai.requests) == len(openai.billed) == len(images)
        (spent,) = re.findall(r'atelier_spent_usd\{vendor="openai"\} (\S+)', server.get("/metrics", None).text)
        assert Decimal(spent) == pytest.approx(sum(bill.usd for bill in openai.billed), abs=Decimal("0.001"))

        owners = {id: customer for (customer, _), id in images.items()}
        for reader in names[:3]:
            with server.web(reader) as web:
                for id, owner in owners.items():
                    assert web.get(f"/image/{id}/file").status_code == (200 if owner == reader else 404)
