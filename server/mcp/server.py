"""The MCP server that serves `TOOLS`: one error boundary, one lifespan, both protocol versions."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import Any

import anyio
from mcp.server.caching import CacheHint
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CallToolResult, InputRequiredResult
from mcp.types import Tool as ToolDescription

from atelier.providers.catalog.catalog import Catalog, utc_today
from atelier.providers.core.errors import ImageError
from atelier.providers.images.asset_storage import Storage
from atelier.providers.jobs.runner import CHECKING_REQUEST
from atelier.providers.jobs.service import ImageService
from atelier.providers.styles.library import StyleLibrary
from atelier.server.calls import CallerLimits, Calls, delivering, log_arguments, lookup_limit
from atelier.server.composition import call_counter, pipeline_of, preload, preload_vendors, source_limits_of
from atelier.server.mcp import descriptions, results
from atelier.server.mcp.elicitation import DeclinedCosts, InputNeeded
from atelier.server.mcp.guidance.instructions import instructions
from atelier.server.mcp.results import Host, host_of, report_progress
from atelier.server.mcp.stdio import MessageWriter, protocol_pipes
from atelier.server.mcp.tasks import Tasks, supports_tasks, with_task_limits
from atelier.server.observability.logs import log
from atelier.server.settings import Settings
from atelier.server.storage.background_upload import upload_periodically
from atelier.server.storage.caller_storages import CallerStorages
from atelier.server.storage.output_files import OutputFolders
from atelier.server.studio.app import StudioApp, StudioServer, app_result
from atelier.server.studio.app_tools import app_tools_of
from atelier.tools.parameters.arguments import parameters_of
from atelier.tools.tool import Call, Tool, confirmed

PRELOAD_DELAY = 1.0  # seconds after which a host that has not listed the tools is not waited for
RECOVERY_DELAY = 2.5  # seconds until the first sweep, so that the first call has the database; a repeat sweeps itself
RECOVERY_INTERVAL = 15.0  # seconds between two sweeps for orphaned jobs


@dataclass(frozen=True, slots=True)
class ServerState:
    """Objects with the lifetime of the server."""

    service: ImageService
    storage: Callable[[str], Storage]
    """Returns the storage of a caller."""


class AtelierServer(StudioServer[ServerState]):
    """An MCPServer that serves the records of `TOOLS` beside tools that were added with its own decorators."""

    def __init__(
        self, settings: Settings, today: Callable[[], date], caller_of_request: Callable[[], str] | None
    ) -> None:
        count = call_counter(settings, lambda: self.state.service.pipeline.store)
        limits = CallerLimits(settings.rate_limit, settings.caller_concurrency, count=count)
        self.calls = Calls(remote=caller_of_request is not None, limits=limits)
        self._listed = anyio.Event()  # set once a host has listed the tools
        self._preloading = anyio.Lock(fast_acquire=True)  # held while what every call needs is loaded
        self.draining = False  # set when the process is about to end
        self.finished = anyio.Event()  # set when the host has disconnected and every answer is written
        self._state: ServerState | None = None
        self._writer: MessageWriter | None = None
        self._settings = settings
        self.source_max_mb = settings.source_max_mb
        self.source_limits = source_limits_of(settings)
        self._today = today
        self.storages = CallerStorages(settings)
        self._declined = DeclinedCosts()
        self._output_files = OutputFolders(settings.readable)
        self._many_callers = caller_of_request is not None
        self.caller = caller_of_request or (lambda: settings.customer_id)
        self._tasks = Tasks(settings, self.caller, self.calls)
        self._records: dict[str, Tool[Any]] = descriptions.tools_of(settings)
        self.app_tools = app_tools_of(settings)
        self._descriptions = [descriptions.description(tool) for tool in self._records.values()]
        super().__init__(
            "atelier",
            title="Atelier",
            description="Makes images with the image models of several vendors and stores them.",
            instructions=instructions(settings.is_set),
            icons=[descriptions.product_icon()],
            version=version("atelier-mcp"),
            lifespan=lambda _: self._lifespan(),
            extensions=[self._tasks, *([StudioApp()] if self.app_tools else [])],
            log_level="WARNING",
            cache_hints={"tools/list": CacheHint(ttl_ms=300_000, scope="public")},
        )
        self.completion()(self.complete)

    @asynccontextmanager
    async def _lifespan(self) -> AsyncGenerator[ServerState]:
        shared = None if self._many_callers else self.storages.of_customer()

        def storage(caller: str) -> Storage:
            return shared or self.storages.of_caller(caller)

        pipeline = pipeline_of(self._settings, shared, self._today, storages=None if shared else storage)
        service = ImageService(pipeline, wait=self._settings.wait_seconds, fallback=self._settings.fallback)
        async with service, anyio.create_task_group() as tasks:
            self._state = ServerState(service, storage)
            tasks.start_soon(upload_periodically, self.storages)
            tasks.start_soon(self._preload_then_recover, service)
            yield self._state
            if self._writer:
                await self._writer.drain()  # before the service closes: it marks jobs as delivered
            tasks.cancel_scope.cancel()

    async def _preload_then_recover(self, service: ImageService) -> None:
        """Load vendors and database, then recover orphaned jobs every RECOVERY_INTERVAL. An error is only logged.

        They are loaded in a thread, while the model reads the tools, so that the first call finds them.
        """
        with anyio.move_on_after(PRELOAD_DELAY):
            await self._listed.wait()
        async with self._preloading:
            await anyio.to_thread.run_sync(preload_vendors, service.pipeline)
        await anyio.to_thread.run_sync(preload, service.pipeline)
        await anyio.sleep(RECOVERY_DELAY)
        while True:
            try:
                await service.recover()
            except ImageError as error:
                log.error("recovery failed", extra={"facts": {"why": error.message}})
            except Exception:  # noqa: BLE001 - it must not end the server
                log.exception("recovery failed")
            await anyio.sleep(RECOVERY_INTERVAL)

    @property
    def state(self) -> ServerState:
        """The state of the running server."""
        assert self._state
        return self._state

    @property
    def busy(self) -> int:
        """The number of calls in progress and of running jobs."""
        return self.calls.count + (len(self._state.service.active_jobs) if self._state else 0)

    def stop_unsent(self) -> None:
        """Cancel the vendor calls that were not sent yet. A server that is still starting has none."""
        if self._state:
            self._state.service.stop_unsent()

    @property
    def unwritten_answers(self) -> int:
        """The number of answers that are not written yet."""
        return self._writer.unwritten if self._writer else 0

    async def run_stdio_async(self) -> None:
        """Serve on stdin and stdout until the host closes one of them."""
        with protocol_pipes() as (reader, self._writer):
            await self._writer.serve(self._lowlevel_server, reader, self.finished.set)

    async def list_tools(self) -> list[ToolDescription]:
        """Return the descriptions of `TOOLS`, then those of added tools."""
        self._listed.set()
        return [*self._descriptions, *await super().list_tools()]

    def caller_storage(self) -> tuple[str, Storage]:
        """Return the caller of the current request and where its images are."""
        caller = self.caller()
        return caller, self.state.storage(caller)

    def catalog(self) -> Catalog:
        """Return the models."""
        return self.state.service.pipeline.catalog

    def styles(self) -> StyleLibrary:
        """Return the styles of the caller of the current request."""
        if self._many_callers:
            return self.storages.styles_of_caller(self.caller())
        return self.storages.styles_of_customer()

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[ServerState, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool. Its errors become results that the model can act on."""
        if (tool := self._records.get(name) or self.app_tools.get(name)) is None:
            if name in {other.name for other in await super().list_tools()}:
                return await super().call_tool(name, arguments, context)
            raise MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {name}")
        if context is None:
            raise MCPError(code=INVALID_PARAMS, message="A tool is called within a session.")
        state, caller, host = context.request_context.lifespan_context, self.caller(), host_of(context.session)
        try:
            async with self.calls.answering(name, caller):
                log_arguments(name, arguments)
                params = parameters_of(tool, arguments)
                async with self._preloading:  # importing here would block the event loop
                    pass
                client = context.client_capabilities
                as_task = bool(client and client.extensions) and supports_tasks(context.request_context, name)
                service = (with_task_limits(state.service) if as_task else state.service).for_caller(caller)
                async with self._call(context, caller, host) as call:
                    with lookup_limit(math.inf if tool.kind == "creates" else self._settings.wait_seconds):
                        answer = await tool.run(params, service, call)
                    if name in self.app_tools:
                        result = app_result(answer)
                    else:
                        with delivering(state.service, answer.jobs):
                            storage, new = state.storage(caller), tool.kind == "creates"
                            result = await results.tool_result(answer, storage, self._settings, host, new=new)
            if tool.kind != "reads" and not self._many_callers:  # over HTTP other callers would be notified
                await context.notify_resources_changed()
            if as_task and (job := (result.meta or {}).get(results.JOB_META_KEY)):
                return await self._tasks.answer_of(context.request_context, job)
            return result
        except InputNeeded as question:
            return question.result
        except ImageError as error:
            return results.error_result(error)

    @asynccontextmanager
    async def _call(self, context: Context[ServerState, Any], caller: str, host: Host) -> AsyncGenerator[Call]:
        """Yield what a tool knows of its call, whose progress is reported meanwhile."""
        asks = self._settings.confirm_above is not None
        confirm, confirm_price = self._declined.callbacks(caller, context) if asks else (None, confirmed)
        async with report_progress(context, CHECKING_REQUEST) as on_progress:
            yield Call(
                caller=caller,
                on_progress=on_progress,
                confirm=confirm,
                confirm_price=confirm_price,
                inline_limit=host.inline_bytes,
                output_files=None if self._many_callers else self._output_files,
                styles=self.styles,
            )


def build_server(
    settings: Settings, today: Callable[[], date] = utc_today, caller_of_request: Callable[[], str] | None = None
) -> AtelierServer:
    """Return the server, for any transport. `today` is the date that decides which models are retired.

    `caller_of_request` returns the name of the caller of the current request; each caller has images of its own.
    Without it every call is made by the customer of the settings. Raises invalid_request for a folder that does not
    exist.
    """
    return AtelierServer(settings, today, caller_of_request)
