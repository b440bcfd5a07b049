"""The extension io.modelcontextprotocol/tasks (SEP-2663): a client that declares it gets a task instead of waiting.

A task is a job and has the job's id. It is read from the database, so that it outlives this process. Elicitation comes
before there is a job and uses the ordinary multi-round-trip flow. No other client sees a task.
Facts: the extension's specification of 2026-07-28.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, RequestParams

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.tracing import add_context
from atelier.providers.jobs.service import ImageService, JobHandle
from atelier.providers.pipeline.job_store import JobRow
from atelier.server.calls import Calls, delivering
from atelier.server.mcp import results
from atelier.server.mcp.elicitation import MODERN
from atelier.server.mcp.results import host_of
from atelier.server.settings import Settings
from atelier.tools import TOOLS
from atelier.tools.image_answer import format_result

TASKS = "io.modelcontextprotocol/tasks"
TASK_WAIT = 2.0  # seconds within which a call is answered without a task
POLL_INTERVAL = timedelta(seconds=1)  # suggested to clients
TASK_TTL = timedelta(days=1)  # since the job was created; get_image finds its pictures for longer
MAX_RUNNING_JOBS = 50  # of one caller; above it no new task begins

TASK_TOOLS = frozenset(tool.name for tool in TOOLS if tool.kind == "creates")

RequestContext = ServerRequestContext[Any, Any]


class TaskParams(RequestParams):
    """The parameters of the three methods."""

    task_id: str


def supports_tasks(context: RequestContext, tool: str) -> bool:
    """Return whether a call of this tool may become a task: in protocol 2026-07-28, for a client that declares it."""
    capabilities = context.session.client_capabilities
    declared = capabilities.extensions if capabilities else None
    return tool in TASK_TOOLS and context.protocol_version == MODERN and TASKS in (declared or {})


def with_task_limits(service: ImageService) -> ImageService:
    """Return the service with the wait limit and the job limit of a call that may become a task."""
    return service.with_wait(TASK_WAIT, MAX_RUNNING_JOBS)


Handler = Callable[[RequestContext, TaskParams], Awaitable[HandlerResult]]


class Tasks(Extension):
    """Answers calls with tasks, and tasks/get, tasks/update and tasks/cancel."""

    identifier = TASKS

    def __init__(self, settings: Settings, caller_of_request: Callable[[], str], calls: Calls) -> None:
        self._settings = settings
        self._caller_of_request = caller_of_request
        self._calls = calls

    def methods(self) -> Sequence[MethodBinding]:
        """Return the handlers of the extension's methods."""
        handlers = {"tasks/get": self._get, "tasks/update": self._update, "tasks/cancel": self._cancel}
        return [
            MethodBinding(name, TaskParams, partial(self._handle_request, name, do), frozenset({MODERN}))
            for name, do in handlers.items()
        ]

    async def _handle_request(self, name: str, do: Handler, ctx: RequestContext, params: TaskParams) -> HandlerResult:
        """Check that the client declares the extension, then call the handler."""
        require_client_extension(ctx, TASKS)
        with _protocol_errors():
            async with self._calls.answering(name):
                add_context(caller=self._caller_of_request(), job=params.task_id)
                return await do(ctx, params)

    async def answer_of(self, ctx: RequestContext, job: str) -> Any:
        """Return the answer to a tool call whose job still runs after TASK_WAIT: the task."""
        with _protocol_errors():
            return {"resultType": "task", **_task_fields(await self._row(ctx, job)), "status": "working"}

    async def _get(self, ctx: RequestContext, params: TaskParams) -> HandlerResult:
        """Return the state of a task, with the result of the call once it has ended."""
        row = await self._row(ctx, params.task_id)
        service, result = self._service(ctx), None
        try:
            found = await service.with_wait(0).get_result(row.id, caller=row.caller)
            if isinstance(found, JobHandle):
                return {"resultType": "complete", **_task_fields(row, found.latest), "status": "working"}
            with delivering(service, [row.id]):
                result = await results.tool_result(
                    format_result(found),
                    ctx.lifespan_context.storage(row.caller),
                    self._settings,
                    host_of(ctx.session),
                )
        except ImageError as error:
            row = await self._row(ctx, row.id)
            if row.state == "running":  # the failure is not stored yet
                return {"resultType": "complete", **_task_fields(row), "status": "working"}
            if row.state == "cancelled":
                return {"resultType": "complete", **_task_fields(row, "Nothing was sent."), "status": "cancelled"}
            if row.state == "done" and error.reason is not Reason.NOT_FOUND:  # the pictures may be readable later
                raise
            result = results.error_result(self._calls.for_caller(error))
        result_fields = {"resultType": "complete", **result.model_dump(mode="json", by_alias=True, exclude_none=True)}
        return {"resultType": "complete", **_task_fields(row), "status": "completed", "result": result_fields}

    async def _update(self, ctx: RequestContext, params: TaskParams) -> HandlerResult:
        """Accept the update: no task of ours asks for input."""
        await self._row(ctx, params.task_id)
        return {"resultType": "complete"}

    async def _cancel(self, ctx: RequestContext, params: TaskParams) -> HandlerResult:
        """Cancel the vendor calls that have not been sent, or that the vendor can cancel. Any other finishes."""
        row = await self._row(ctx, params.task_id)
        self._service(ctx).cancel(row.id, caller=row.caller)
        return {"resultType": "complete"}

    async def _row(self, ctx: RequestContext, id: str) -> JobRow:
        """Return the job of a task. Raises not_found for an unknown or expired task, and for another caller's."""
        row = await self._service(ctx).pipeline.store.get_job(id)
        if row is None or row.caller != self._caller_of_request() or datetime.now(UTC) - row.created_at > TASK_TTL:
            raise ImageError(Reason.NOT_FOUND, "Unknown task")
        return row

    def _service(self, ctx: RequestContext) -> ImageService:
        return ctx.lifespan_context.service


@contextmanager
def _protocol_errors() -> Generator[None]:
    """Raise an ImageError of the block as an error of the protocol."""
    try:
        yield
    except ImageError as error:
        code = INVALID_PARAMS if error.reason is Reason.NOT_FOUND else INTERNAL_ERROR
        raise MCPError(code=code, message=f"{error.message} {error.hint}".strip()) from None


def _task_fields(row: JobRow, message: str = "") -> dict[str, Any]:
    """Return the fields of every task. The time of the last change is not stored, so it is now."""
    return {
        "taskId": row.id,
        "createdAt": _iso(row.created_at),
        "lastUpdatedAt": _iso(datetime.now(UTC)),
        "ttlMs": int(TASK_TTL.total_seconds() * 1000),
        "pollIntervalMs": int(POLL_INTERVAL.total_seconds() * 1000),
        **({"statusMessage": message} if message else {}),
    }


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
