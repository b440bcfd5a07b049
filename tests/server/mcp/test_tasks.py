"""Tasks: a handle for who declares the extension, the same job behind it, and nothing of it for everyone else."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.extension import advertise
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, ElicitResult

from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Held, Slow
from atelier.providers.testing.waiting import eventually
from atelier.server.composition import pipeline_of, storage_of
from atelier.server.mcp import tasks
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from tests.conftest import Connect, Environ, files_in
from tests.exhaustive import exhaustive
from tests.server.mcp.tasks_client import TasksClient, ask, begun, ended

pytestmark = pytest.mark.anyio

FOX = {"prompt": "a fox", "model": "gpt-image-2.5-flare", "size": "1024x1024", "quality": "low"}
OWL = {**FOX, "prompt": "an owl"}

Host = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(tasks, "TASK_WAIT", 0.05)


@pytest.fixture
def host(with_openai: Environ, today: Any) -> Host:
    """A client that takes tasks, on a server of its own; `settings` change the environment."""

    @asynccontextmanager
    async def connected(settings: Environ | None = None, **options: Any) -> AsyncGenerator[Client]:
        server = build_server(Settings.from_environ(with_openai | (settings or {})), today)
        options.setdefault("extensions", [TasksClient()])
        async with Client(server, **options) as client:
            yield client

    return connected


def pngs(folder: Path) -> list[Path]:
    return [path for path in files_in(folder / "out") if path.suffix == ".png"]


def shape(result: dict[str, Any]) -> Any:
    """A result without what differs from job to job."""
    data = dict(result["structuredContent"])
    data["images"] = [{k: v for k, v in i.items() if k in ("mime", "width", "height")} for i in data["images"]]
    blocks = [block["type"] for block in result["content"]]
    return data, blocks, re.sub(r"img_\w+|/\S+", "…", result["content"][0]["text"])


async def unknown(client: Client, id: str) -> None:
    """Every method of tasks says that there is no such task."""
    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        with pytest.raises(MCPError) as caught:
            await ask(client.session, method, id)
        assert (caught.value.error.code, caught.value.error.message) == (-32602, "Unknown task")


async def test_a_call_that_takes_long_is_a_task_and_comes_to_the_ordinary_result(
    host: Host, openai: OpenAI, tmp_path: Path
) -> None:
    held = Held()
    openai.next(held)
    async with host() as client:
        handle = await begun(client, "generate_image", FOX)
        assert handle.task_id.startswith("job_")
        assert (handle.status, handle.ttl_ms, handle.poll_interval_ms) == ("working", 86_400_000, 1000)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", handle.created_at)
        await held.arrival()
        working = await ask(client.session, "tasks/get", handle.task_id)
        assert (working["resultType"], working["status"]) == ("complete", "working")
        assert working["statusMessage"] == "OpenAI is drawing (gpt-image-2.5-flare)."
        held.go.set()
        done = await ended(client.session, handle.task_id)
        assert (done["status"], done["createdAt"]) == ("completed", handle.created_at)
        ordinary = await client.call_tool("generate_image", OWL)
    assert done["result"]["resultType"] == "complete"
    assert shape(done["result"]) == shape(ordinary.model_dump(mode="json", by_alias=True, exclude_none=True))
    assert len(openai.requests) == len(pngs(tmp_path)) == 2


async def test_the_official_client_waits_for_a_task_by_itself(host: Host, openai: OpenAI) -> None:
    openai.next(Slow(0.3))
    async with host() as client:
        result = await client.call_tool("generate_image", FOX)
    assert isinstance(result, CallToolResult)
    assert result.structured_content is not None
    assert Path(result.structured_content["images"][0]["path"]).is_file()


async def test_a_change_of_a_picture_is_a_task_as_well(host: Host, openai: OpenAI) -> None:
    held = Held()
    openai.next(None, held)
    async with host() as client:
        await client.call_tool("generate_image", FOX)
        handle = await begun(client, "edit_image", {"image": "last", "prompt": "a hat"})
        held.go.set()
        assert (await ended(client.session, handle.task_id))["status"] == "completed"


async def test_a_collected_task_counts_as_delivered_and_can_be_read_again(host: Host, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    async with host() as client:
        handle = await begun(client, "generate_image", FOX)
        held.go.set()
        first = await ended(client.session, handle.task_id)
        assert shape((await ended(client.session, handle.task_id))["result"]) == shape(first["result"])
        await client.call_tool("generate_image", FOX)
    assert len(openai.requests) == 2  # who asks again after that wants another picture


async def test_until_then_the_same_call_is_the_same_task(host: Host, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    async with host() as client:
        first = await begun(client, "generate_image", FOX)
        second = await begun(client, "generate_image", FOX)
        await held.arrival()
        held.go.set()
    assert second.task_id == first.task_id
    assert len(openai.requests) == 1


async def late_refusal(scope: Any, receive: Any, send: Any, app: Any) -> None:
    await anyio.sleep(0.3)
    await emulated.MODERATED(scope, receive, send, app)


@pytest.mark.parametrize(
    ("fault", "reason", "outcome"), [(late_refusal, "content_policy", None), (Slow(1), "timeout", "unknown")]
)
async def test_a_failure_is_a_completed_task_with_the_errors_answer(
    host: Host, openai: OpenAI, fault: Any, reason: str, outcome: str | None
) -> None:
    openai.next(fault)
    async with host({"ATELIER_TIMEOUT_SECONDS": "0.5"}) as client:
        handle = await begun(client, "generate_image", FOX)
        told = await ended(client.session, handle.task_id)
    assert told["status"] == "completed"
    assert told["result"]["isError"] is True
    assert "structuredContent" not in told["result"]
    error = told["result"]["_meta"]["atelier/error"]
    assert (error["reason"], error.get("outcome")) == (reason, outcome)


async def test_what_was_not_sent_is_cancelled_and_costs_nothing(host: Host, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    async with host({"ATELIER_CONCURRENCY": "1"}) as client:
        first = await begun(client, "generate_image", FOX)
        await held.arrival()
        second = await begun(client, "generate_image", OWL)
        waiting = await ask(client.session, "tasks/get", second.task_id)
        assert waiting["statusMessage"] == "Waiting for a free slot at OpenAI."
        assert await ask(client.session, "tasks/cancel", second.task_id) == {"resultType": "complete"}
        assert (await ended(client.session, second.task_id))["status"] == "cancelled"
        held.go.set()
        assert (await ended(client.session, first.task_id))["status"] == "completed"
    assert len(openai.requests) == 1


async def test_what_was_sent_goes_on_when_it_is_cancelled(host: Host, openai: OpenAI, tmp_path: Path) -> None:
    held = Held()
    openai.next(held)
    async with host() as client:
        handle = await begun(client, "generate_image", FOX)
        await held.arrival()
        await ask(client.session, "tasks/cancel", handle.task_id)
        held.go.set()
        assert (await ended(client.session, handle.task_id))["status"] == "completed"
    assert len(pngs(tmp_path)) == 1


async def test_an_answer_to_no_question_is_acknowledged(host: Host, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    async with host() as client:
        handle = await begun(client, "generate_image", FOX)
        more = {"input_responses": {"cost": {"action": "accept"}}}
        assert await ask(client.session, "tasks/update", handle.task_id, **more) == {"resultType": "complete"}
        held.go.set()


async def test_a_task_is_unknown_after_a_day(host: Host, openai: OpenAI, tmp_path: Path) -> None:
    held = Held()
    openai.next(held)
    async with host() as client:
        handle = await begun(client, "generate_image", FOX)
        held.go.set()
        await ended(client.session, handle.task_id)
        with closing(sqlite3.connect(tmp_path / "state" / "journal.db")) as journal, journal:
            journal.execute("UPDATE jobs SET created_at = datetime(created_at, '-23 hours', '-59 minutes')")
        assert (await ask(client.session, "tasks/get", handle.task_id))["status"] == "completed"
        with closing(sqlite3.connect(tmp_path / "state" / "journal.db")) as journal, journal:
            journal.execute("UPDATE jobs SET created_at = datetime(created_at, '-2 minutes')")
        await unknown(client, handle.task_id)


async def test_another_callers_task_and_one_that_never_was_are_unknown(host: Host, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    async with host({"ATELIER_CUSTOMER_ID": "ann"}) as ann, host({"ATELIER_CUSTOMER_ID": "bob"}) as bob:
        handle = await begun(ann, "generate_image", FOX)
        await unknown(bob, handle.task_id)
        await unknown(bob, "job_00000000000000000000000000")
        held.go.set()
        assert (await ended(ann.session, handle.task_id))["status"] == "completed"


async def test_more_tasks_than_the_cap_are_refused_before_anything_is_sent(
    host: Host, openai: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MAX_RUNNING_JOBS", 1)
    held = Held()
    openai.next(held)
    async with host() as client:
        handle = await begun(client, "generate_image", FOX)
        await held.arrival()
        refused = await client.call_tool("generate_image", OWL)
        assert refused.is_error
        assert (refused.meta or {})["atelier/error"]["reason"] == "rate_limited"
        assert len(openai.requests) == 1
        held.go.set()
        await ended(client.session, handle.task_id)
        assert not (await client.call_tool("generate_image", OWL)).is_error


async def test_what_only_joins_or_collects_is_not_refused_at_the_cap(
    host: Host, openai: OpenAI, with_openai: Environ, today: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MAX_RUNNING_JOBS", 2)
    held = Held()
    openai.next(None, held, held)
    settings = Settings.from_environ(with_openai)
    async with ImageService(
        pipeline_of(settings, storage_of(settings), today)
    ) as service:  # made, and delivered to nobody
        made = await service.submit(
            ImageRequest(prompt="a crow", model=FOX["model"], size=FOX["size"], quality=FOX["quality"])
        )
    async with host() as client:
        first = await begun(client, "generate_image", FOX)
        await begun(client, "generate_image", OWL)
        assert (await begun(client, "generate_image", FOX)).task_id == first.task_id
        assert isinstance(made, ImageResult)
        assert made.images[0].stored
        collected = await client.call_tool("generate_image", {**FOX, "prompt": "a crow"})
        assert (collected.structured_content or {})["images"][0]["id"] == made.images[0].stored.id
        assert (await client.call_tool("generate_image", {**FOX, "prompt": "a hen"})).is_error
        await eventually(lambda: len(openai.requests) == 3)
        held.go.set()
    assert len(openai.requests) == 3


async def test_the_cap_is_for_all_processes_of_a_caller_together(
    host: Host, openai: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MAX_RUNNING_JOBS", 2)
    held = Held()
    openai.next(held, held, held)
    async with host() as one, host() as other, host({"ATELIER_CUSTOMER_ID": "bob"}) as bob:
        await begun(one, "generate_image", FOX)
        await begun(other, "generate_image", OWL)
        for client in (one, other):
            assert (await client.call_tool("generate_image", {**FOX, "prompt": "a hen"})).is_error
        await begun(bob, "generate_image", FOX)
        await eventually(lambda: len(openai.requests) == 3)
        held.go.set()
    assert len(openai.requests) == 3


async def test_after_a_restart_a_task_still_answers(host: Host, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    async with host() as client:
        handle = await begun(client, "generate_image", FOX)
        await held.arrival()
        held.go.set()
    async with host() as client:
        told = await ask(client.session, "tasks/get", handle.task_id)
    assert told["status"] == "completed"
    assert Path(told["result"]["structuredContent"]["images"][0]["path"]).is_file()
    assert len(openai.requests) == 1


async def test_a_question_about_cost_comes_before_the_task(host: Host, openai: OpenAI) -> None:
    asked: list[str] = []

    async def yes(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"proceed": True})

    openai.next(Slow(0.3))
    async with host({"ATELIER_CONFIRM_ABOVE": "0.001"}, elicitation_callback=yes) as client:
        result = await client.call_tool("generate_image", FOX)
    assert not result.is_error
    assert len(asked) == len(openai.requests) == 1


async def test_what_is_free_is_waited_for_since_nobody_could_come_back_for_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "TASK_WAIT", 0.0)
    async with host() as client:
        found = await client.session.call_tool(
            "generate_image", {"prompt": "a fox", "model": "sketch"}, allow_claimed=True
        )
    assert isinstance(found, CallToolResult)
    assert not found.is_error


async def test_a_tool_that_only_reads_is_never_a_task(host: Host) -> None:
    async with host() as client:
        found = await client.session.call_tool("list_models", {}, allow_claimed=True)
    assert isinstance(found, CallToolResult)


async def test_who_does_not_declare_the_extension_never_sees_a_task(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    openai.next(Slow(0.3))
    async with connect() as client:
        result = await client.call_tool("generate_image", FOX)
        assert result.structured_content is not None
        assert result.structured_content["status"] == "done"
        with pytest.raises(MCPError) as caught:
            await ask(client.session, "tasks/get", "job_00000000000000000000000000")
    assert caught.value.error.code in (-32021, -32601)


async def test_an_older_client_never_sees_one_whatever_it_declares(host: Host, openai: OpenAI) -> None:
    openai.next(Slow(0.3))
    async with host(mode="legacy", extensions=[advertise(tasks.TASKS)]) as client:
        result = await client.call_tool("generate_image", FOX)
        with pytest.raises(MCPError) as caught:
            await ask(client.session, "tasks/get", "job_00000000000000000000000000")
    assert caught.value.error.code == -32601
    assert not result.is_error


async def test_a_ticket_without_the_extension_names_its_job_for_programs(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    with_openai["ATELIER_WAIT_SECONDS"] = "0.05"
    held = Held()
    openai.next(held)
    async with connect() as client:
        result = await client.call_tool("generate_image", FOX)
        held.go.set()
    assert result.structured_content is not None
    assert (result.meta or {})["atelier/job"] == result.structured_content["job"]


@exhaustive
async def test_a_real_process_gives_and_resumes_a_task_over_stdio(with_openai: Environ, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    process = StdioServerParameters(command=sys.executable, args=["-m", "atelier.server"], env=with_openai)
    async with Client(process, extensions=[TasksClient()]) as client:
        handle = await begun(client, "generate_image", FOX)
        await held.arrival()
        held.go.set()
        told = await ended(client.session, handle.task_id)
    async with Client(process, extensions=[TasksClient()]) as client:
        again = await ask(client.session, "tasks/get", handle.task_id)
    assert again["status"] == told["status"] == "completed"
    assert shape(again["result"]) == shape(told["result"])
    assert len(openai.requests) == 1
