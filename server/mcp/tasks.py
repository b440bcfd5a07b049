"""The extension io.modelcontextprotocol/tasks (SEP-2663): a client that knows it gets a handle instead of waiting.

A task is a job, and its id is the job's: it is read from the journal, so that it outlives this process. Questions about
cost come before there is a job, and stay an ordinary multi round trip. Everyone else never sees a task.
Facts: the extension's specification of 2026-07-28, and facts/mcp-sdk.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, CallToolRequestParams, CallToolResult, RequestParams

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.jobs.service import ImageService, JobHandle
from atelier.providers.pipeline.job_store import JobRow
from atelier.server.calls import Calls, delivering
from atelier.server.mcp import results
from atelier.server.mcp.elicitation import MODERN
from atelier.server.settings import Settings
from atelier.tools import TOOLS
from atelier.tools.image_answer import format_result

TASKS = "io.modelcontextprotocol/tasks"
WINDOW = 2.0  # seconds in which a call may finish without becoming a task
POLL = timedelta(seconds=1)  # how often a client should ask
LIFE = timedelta(days=1)  # from the job's beginning; what was made can be collected by other ways for longer
MOST = 50  # jobs of one caller that may be at work at once when a task is begun

DRAWING = frozenset(tool.name for tool in TOOLS if tool.kind == "creates")

Request = ServerRequestContext[Any, Any]


class TaskParams(RequestParams):
    """Which task."""

    task_id: str


def takes_tasks(context: Request, tool: str) -> bool:
    """Whether a call of this tool may be answered with a task: only a client that declares it, in the newer era."""
    capabilities = context.session.client_capabilities
    declared = capabilities.extensions if capabilities else None
    return tool in DRAWING and context.protocol_version == MODERN and TASKS in (declared or {})


def for_tasks(service: ImageService) -> ImageService:
    """The desk as a call sees it that may become a task."""
    return service.with_wait(WINDOW, MOST)


Handler = Callable[[Request, TaskParams], Awaitable[HandlerResult]]


class Tasks(Extension):
    """Calls that become tasks, and what becomes of those."""

    identifier = TASKS

    def __init__(self, settings: Settings, who: Callable[[], str], calls: Calls) -> None:
        self._settings = settings
        self._who = who
        self._calls = calls

    def methods(self) -> Sequence[MethodBinding]:
        """What a client may ask of a task."""
        handlers = {"tasks/get": self._get, "tasks/update": self._update, "tasks/cancel": self._cancel}
        return [
            MethodBinding(name, TaskParams, partial(self._answered, name, do), frozenset({MODERN}))
            for name, do in handlers.items()
        ]

    async def _answered(self, name: str, do: Handler, ctx: Request, params: TaskParams) -> HandlerResult:
        """A question about a task, for who may ask."""
        require_client_extension(ctx, TASKS)
        with _refusing(), self._calls.answering(name):
            return await do(ctx, params)

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: Request, call_next: CallNext
    ) -> HandlerResult:
        """The call as ever; one that still runs is answered with its handle."""
        if not takes_tasks(ctx, params.name):
            return await call_next(ctx)
        result = await call_next(ctx)
        job = (result.meta or {}).get(results.JOB) if isinstance(result, CallToolResult) else None
        if job is None:
            return result
        with _refusing():
            return {"resultType": "task", **_handle(await self._row(ctx, job)), "status": "working"}

    async def _get(self, ctx: Request, params: TaskParams) -> HandlerResult:
        """How far it is, or the very result that the call would have had."""
        row = await self._row(ctx, params.task_id)
        service, result = self._desk(ctx), None
        try:
            found = await service.with_wait(0).get_result(row.id, caller=row.caller)
            if isinstance(found, JobHandle):
                return {"resultType": "complete", **_handle(row, found.latest), "status": "working"}
            with delivering(service, row.id):
                result = await results.answered(
                    format_result(found), ctx.lifespan_context.storage(row.caller), self._settings
                )
        except ImageError as error:
            row = await self._row(ctx, row.id)
            if row.state == "running":  # it has failed, and this is being written
                return {"resultType": "complete", **_handle(row), "status": "working"}
            if row.state == "cancelled":
                return {"resultType": "complete", **_handle(row, "Nothing was sent."), "status": "cancelled"}
            if row.state == "done" and error.reason is not Reason.NOT_FOUND:  # it can be read another time
                raise
            result = results.failed(self._calls.told(error))
        told_as = {"resultType": "complete", **result.model_dump(mode="json", by_alias=True, exclude_none=True)}
        return {"resultType": "complete", **_handle(row), "status": "completed", "result": told_as}

    async def _update(self, ctx: Request, params: TaskParams) -> HandlerResult:
        """No task of ours asks for anything, so that there is nothing to answer."""
        await self._row(ctx, params.task_id)
        return {"resultType": "complete"}

    async def _cancel(self, ctx: Request, params: TaskParams) -> HandlerResult:
        """What was not sent yet is not sent; the rest, which is paid for, goes on."""
        row = await self._row(ctx, params.task_id)
        self._desk(ctx).cancel(row.id, caller=row.caller)
        return {"resultType": "complete"}

    async def _row(self, ctx: Request, id: str) -> JobRow:
        """The job of a task; an expired task and another caller's are as unknown as one that never was."""
        row = await self._desk(ctx).pipeline.journal.get_job(id)
        if row is None or row.caller != self._who() or datetime.now(UTC) - _created(row) > LIFE:
            raise ImageError(Reason.NOT_FOUND, "Unknown task")
        return row

    def _desk(self, ctx: Request) -> ImageService:
        return ctx.lifespan_context.service


@contextmanager
def _refusing() -> Generator[None]:
    """Within the block an ImageError becomes an error of the protocol."""
    try:
        yield
    except ImageError as error:
        code = INVALID_PARAMS if error.reason is Reason.NOT_FOUND else INTERNAL_ERROR
        raise MCPError(code=code, message=f"{error.message} {error.hint}".strip()) from None


def _handle(row: JobRow, message: str = "") -> dict[str, Any]:
    """What is told of every task. When its state last changed is not kept, so that it is as new as the answer."""
    return {
        "taskId": row.id,
        "createdAt": _iso(_created(row)),
        "lastUpdatedAt": _iso(datetime.now(UTC)),
        "ttlMs": int(LIFE.total_seconds() * 1000),
        "pollIntervalMs": int(POLL.total_seconds() * 1000),
        **({"statusMessage": message} if message else {}),
    }


def _created(row: JobRow) -> datetime:
    return datetime.fromisoformat(row.created).replace(tzinfo=UTC)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
