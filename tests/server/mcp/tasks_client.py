"""A client that takes tasks, as one would be written on the official SDK: it declares, polls, and gives the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import anyio
from mcp.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.session import ClientSession
from mcp.types import CallToolResult, Request, RequestParams, Result
from pydantic import ConfigDict

from atelier.providers.testing.waiting import LONG
from atelier.server.mcp.tasks import TASKS


class Handle(Result):
    """What a call is answered with that goes on."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    created_at: str
    last_updated_at: str
    ttl_ms: int
    poll_interval_ms: int


class Told(Result):
    """What tasks/... answers, with all its fields."""

    model_config = ConfigDict(extra="allow")


class TaskParams(RequestParams):
    """Which task; `input_responses` for tasks/update."""

    task_id: str
    input_responses: dict[str, Any] | None = None


class TaskRequest(Request[TaskParams, str]):
    """Any of the three; the transport tells the name in a header."""

    name_param = "taskId"


async def ask(session: ClientSession, method: str, id: str, **more: Any) -> dict[str, Any]:
    """One of the methods of tasks; its answer without what the server says of itself."""
    request = TaskRequest(method=method, params=TaskParams(task_id=id, **more))
    told = await session.send_request(request, Told)
    return told.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meta"})


async def ended(session: ClientSession, id: str) -> dict[str, Any]:
    """Poll until the task has ended."""
    with anyio.fail_after(LONG):
        while (told := await ask(session, "tasks/get", id))["status"] == "working":
            await anyio.sleep(0.02)
        return told


async def resolved(handle: Handle, context: ClaimContext) -> CallToolResult:
    """What the call comes to in the end."""
    told = await ended(context.session, handle.task_id)
    assert told["status"] == "completed", told
    return CallToolResult.model_validate(told["result"], by_name=False)


class TasksClient(ClientExtension):
    """Declares that tasks are taken."""

    identifier = TASKS

    def claims(self) -> Sequence[ResultClaim[Any]]:
        """A call may be answered with a task."""
        return [ResultClaim(result_type="task", model=Handle, resolve=resolved)]


async def begun(client: Client, tool: str, arguments: dict[str, Any]) -> Handle:
    """The handle of a call that takes longer than the window."""
    found = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(found, Handle), found
    return found
