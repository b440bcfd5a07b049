"""The MCP server over TOOLS: one error boundary, one lifespan, both protocol eras."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import Any

import anyio
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    Completion,
    CompletionArgument,
    InputRequiredResult,
    ResourceTemplate,
    ResourceTemplateReference,
)
from mcp.types import Tool as ToolDescription
from pydantic import AnyUrl

from atelier.providers.catalog.catalog import utc_today
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.asset_storage import Storage
from atelier.providers.jobs.running_job import LOOKING
from atelier.providers.jobs.service import ImageService
from atelier.server.calls import Calls, delivering
from atelier.server.cli.flush import flushing
from atelier.server.composition import pipeline_of
from atelier.server.logs import log
from atelier.server.mcp import resources, results
from atelier.server.mcp.elicitation import Declined, InputNeeded, confirm_of
from atelier.server.mcp.instructions import INSTRUCTIONS
from atelier.server.mcp.progress import progress, reporting
from atelier.server.mcp.stdio import Line, own_pipes
from atelier.server.mcp.tasks import Tasks, for_tasks, takes_tasks
from atelier.server.settings import Settings
from atelier.server.storage.caller_storages import CallerStorages
from atelier.tools import TOOLS
from atelier.tools.parameters.arguments import parameters_of
from atelier.tools.tool import Answer, Call, Tool

ROUND = 60.0  # seconds between two looks for jobs whose process has died
PATIENCE = 5.0  # seconds that looking something up may take besides those that a call waits for a job
QUIET = 1.0  # seconds at the beginning of a call in which no progress is sent; see `progress`
APART = 0.05  # seconds between the last progress and the answer
HEARTBEAT = 9.0  # seconds between signs of life, of which there is to be one in any ten; hosts give up on silence


@dataclass(frozen=True, slots=True)
class State:
    """What lives as long as the server does."""

    service: ImageService
    storage: Callable[[str], Storage]
    """That of a caller."""


class AtelierServer(MCPServer[State]):
    """MCPServer whose tools are records. Tools that were added to it in the ordinary way are served beside them."""

    def __init__(self, settings: Settings, today: Callable[[], date], who: Callable[[], str] | None) -> None:
        self.calls = Calls(remote=who is not None)
        self.over = anyio.Event()  # the host has gone, and all that was done for it is finished and written
        self._state: State | None = None
        self._line: Line | None = None
        self._settings = settings
        self.source_max_mb = settings.source_max_mb
        self._today = today
        self._spools = CallerStorages(settings)
        self._declined = Declined()
        self._apart = who is not None
        self.caller = who or (lambda: settings.customer_id)
        self._records: dict[str, Tool[Any]] = {tool.name: tool for tool in TOOLS}
        mark = results.icon()
        self._descriptions = [results.description(tool, settings, mark) for tool in TOOLS]
        super().__init__(
            "atelier",
            title="Atelier",
            description="Makes pictures with the image models of several vendors and keeps them.",
            instructions=INSTRUCTIONS,
            version=version("atelier-mcp"),
            lifespan=lambda _: self._living(),
            extensions=[Tasks(settings, self.caller, self.calls)],
            log_level="WARNING",
            cache_hints={"tools/list": CacheHint(ttl_ms=300_000, scope="public")},
        )
        self.completion()(self._completed)

    @asynccontextmanager
    async def _living(self) -> AsyncGenerator[State]:
        shared = None if self._apart else self._spools.of_customer()

        def storage(caller: str) -> Storage:
            return shared or self._spools.of_caller(caller)

        pipeline = pipeline_of(self._settings, shared, self._today, storages=None if shared else storage)
        service = ImageService(pipeline, wait=self._settings.wait_seconds, fallback=self._settings.fallback)
        async with service, anyio.create_task_group() as tasks:
            self._state = State(service, storage)
            tasks.start_soon(flushing, self._spools)
            tasks.start_soon(_recovered, service)
            yield self._state
            if self._line:
                await self._line.emptied()  # before the desk closes, which is told what has left
            tasks.cancel_scope.cancel()

    @property
    def state(self) -> State:
        """What lives while the server is served, and not before."""
        assert self._state, "it is served"
        return self._state

    @property
    def busy(self) -> int:
        """Calls that are being answered, and jobs that go on."""
        return self.calls.count + (len(self._state.service.in_flight) if self._state else 0)

    @property
    def on_the_way(self) -> int:
        """Answers that are not written yet."""
        return self._line.busy if self._line else 0

    async def run_stdio_async(self) -> None:
        """Serve over this process's own pipes until the host closes one of them."""
        with own_pipes() as (lines, self._line):
            await self._line.serve(self._lowlevel_server, lines, self.over.set)

    async def list_tools(self) -> list[ToolDescription]:
        """Our records, in their order."""
        return [*self._descriptions, *await super().list_tools()]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """Those of our pictures before any other."""
        return [*resources.TEMPLATES, *await super().list_resource_templates()]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[State, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """A picture or its preview; what was added in the ordinary way is read as ever."""
        if str(uri).startswith(resources.OURS):
            with resources.refusing(), self.calls.answering("resources/read"):
                return await resources.read(str(uri), self.state.storage(self.caller()))
        return await super().read_resource(uri, context)

    async def _completed(self, ref: Any, argument: CompletionArgument, context: Any) -> Completion | None:
        uri = ref.uri if isinstance(ref, ResourceTemplateReference) else ""
        ours = argument.name == "id" and any(uri == template.uri_template for template in resources.TEMPLATES)
        return await resources.completed(argument.value, self.state.storage(self.caller())) if ours else None

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[State, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Every failure of a tool leaves here as an answer that the model can act on."""
        if (tool := self._records.get(name)) is None:
            if name in {other.name for other in await super().list_tools()}:
                return await super().call_tool(name, arguments, context)
            raise MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {name}")
        if context is None:
            raise MCPError(code=INVALID_PARAMS, message="A tool is called within a session.")
        try:
            with self.calls.answering(name):
                return await self._answer(tool, arguments, context)
        except InputNeeded as question:
            return question.result
        except ImageError as error:
            return results.failed(error)

    async def _answer(
        self, tool: Tool[Any], arguments: Mapping[str, Any], context: Context[State, Any]
    ) -> CallToolResult:
        asked = parameters_of(tool, arguments)
        state, caller = context.request_context.lifespan_context, self.caller()
        soon = takes_tasks(context.request_context, tool.name)
        service = (for_tasks(state.service) if soon else state.service).for_caller(caller)
        async with progress(reporting(context), HEARTBEAT, first=LOOKING, quiet=QUIET, apart=APART) as on_progress:
            confirm = confirm_of(context)
            confirm = self._declined.remembering(caller, confirm) if confirm else None
            call = Call(
                caller=caller,
                on_progress=on_progress,
                confirm=confirm,
                confirm_price=self._declined.confirm_price(caller, confirm),
            )
            answer = await self._run(tool, asked, service, call)
            with delivering(state.service, answer.job):
                return await results.answered(answer, state.storage(caller), self._settings)

    async def _run(self, tool: Tool[Any], asked: Any, service: ImageService, call: Call) -> Answer:
        """The tool's own work. What only looks something up waits for nothing but a storage, and not for ever."""
        if tool.kind == "creates":
            return await tool.run(asked, service, call)
        with anyio.move_on_after(self._settings.wait_seconds + PATIENCE):
            return await tool.run(asked, service, call)
        message = "The storage of the pictures gave no answer in time."
        raise ImageError(Reason.STORAGE_FAILED, message, hint="Try again later; nothing is lost.")


async def _recovered(service: ImageService) -> None:
    """Take up what other processes leave behind. A journal that cannot be read is told, and stops no call."""
    while True:
        try:
            await service.recover()
        except ImageError as error:
            log.error("jobs not taken up", extra={"facts": {"why": error.message}})
        except Exception:  # noqa: BLE001 - no call is to fail for it
            log.exception("jobs not taken up")
        await anyio.sleep(ROUND)


def build_server(
    settings: Settings, today: Callable[[], date] = utc_today, who: Callable[[], str] | None = None
) -> AtelierServer:
    """The server object for any transport. `today` is the day that lifecycles are judged by.

    `who` tells whose call is being answered, where there are several callers, each with pictures of their own; without
    it all calls are those of the customer of the settings. Raises invalid_request when a folder leads nowhere.
    """
    _ = settings.readable  # a folder that leads nowhere is told at the start, not at the first call
    return AtelierServer(settings, today, who)
