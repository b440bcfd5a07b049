"""The MCP server over TOOLS: one error boundary, one lifespan, both protocol eras."""

from __future__ import annotations

import time
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

from atelier.providers.catalog import utc_today
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.ids import new_id
from atelier.providers.desk import Desk
from atelier.providers.storage import Storage
from atelier.server import content, resources
from atelier.server.asking import InputNeeded, confirm_of
from atelier.server.assembly import pipeline_of, storage_of
from atelier.server.flush import flushed
from atelier.server.logs import call_id, log
from atelier.server.progress import Show, progress
from atelier.server.settings import Settings
from atelier.server.tasks import WINDOW, Tasks, takes_tasks
from atelier.tools import TOOLS
from atelier.tools.arguments import parameters_of
from atelier.tools.tool import Answer, Call, Tool

INSTRUCTIONS = """\
Atelier makes pictures with the image models of several vendors and keeps them.

Use it whenever the user wants to draw, paint, render, generate or design an image, photo, illustration, logo, icon, \
poster, banner, wallpaper or diagram, or to edit, extend, upscale or cut out a picture.

- generate_image makes pictures from words; edit_image changes one that exists, named by the asset id of an earlier \
answer, by "last" or by a path. Leave `model` out unless the user named one.
- get_image shows one that was made before, lists the newest, and collects a job whose answer said “running”.
- list_models tells what can be used now; call it when the user asks, or when a model was refused.
- Every answer names the file of the full picture. Show that path or link to the user: the attached preview is small, \
and not every chat shows it.
- estimate_cost tells the price before anything is made, and with `compare` that of every model; call it when the user \
asks about cost, or before many or large pictures.
- Pictures may cost money. Do not repeat a call that succeeded, and make one picture unless more were asked for.
- When an option is refused, the error says what the model offers instead: change the call accordingly.
- Without any vendor key the built-in sketch draws labelled drafts for free; tell the user that it is a draft."""

ROUND = 60.0  # seconds between two looks for jobs whose process has died
HEARTBEAT = 9.0  # seconds between signs of life, of which there is to be one in any ten; hosts give up on silence


@dataclass(frozen=True, slots=True)
class State:
    """What lives as long as the server does."""

    desk: Desk
    storage: Storage


class AtelierServer(MCPServer[State]):
    """MCPServer whose tools are records. Tools that were added to it in the ordinary way are served beside them."""

    def __init__(self, settings: Settings, today: Callable[[], date]) -> None:
        self._answering = 0  # those of callers who have gone included
        self._desk: Desk | None = None
        self._storage: Storage | None = None
        self._settings = settings
        self._today = today
        self._records: dict[str, Tool[Any]] = {tool.name: tool for tool in TOOLS}
        mark = content.icon()
        self._descriptions = [content.description(tool, settings, mark) for tool in TOOLS]
        super().__init__(
            "atelier",
            title="Atelier",
            description="Makes pictures with the image models of several vendors and keeps them.",
            instructions=INSTRUCTIONS,
            version=version("atelier-mcp"),
            lifespan=lambda _: self._living(),
            extensions=[Tasks(settings)],
            log_level="WARNING",
            cache_hints={"tools/list": CacheHint(ttl_ms=300_000, scope="public")},
        )
        self.completion()(self._completed)

    @asynccontextmanager
    async def _living(self) -> AsyncGenerator[State]:
        storage = storage_of(self._settings)
        pipeline = pipeline_of(self._settings, storage, self._today)
        desk = Desk(pipeline, wait=self._settings.wait_seconds, fallback=self._settings.fallback)
        async with desk, anyio.create_task_group() as tasks:
            self._desk, self._storage = desk, storage
            tasks.start_soon(flushed, storage)
            tasks.start_soon(_recovered, desk)
            yield State(desk, storage)
            tasks.cancel_scope.cancel()

    @property
    def busy(self) -> int:
        """Calls that are being answered, and jobs that go on."""
        return self._answering + (len(self._desk.running) if self._desk else 0)

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
        if str(uri).startswith(resources.OURS) and self._storage:
            return await resources.read(str(uri), self._storage)
        return await super().read_resource(uri, context)

    async def _completed(self, ref: Any, argument: CompletionArgument, context: Any) -> Completion | None:
        uri = ref.uri if isinstance(ref, ResourceTemplateReference) else ""
        ours = argument.name == "id" and any(uri == template.uri_template for template in resources.TEMPLATES)
        return await resources.completed(argument.value, self._storage) if ours and self._storage else None

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
        call_id.set(new_id("call"))
        began, outcome = time.monotonic(), "cancelled"
        result: CallToolResult | InputRequiredResult
        self._answering += 1
        try:
            result = await self._answer(tool, arguments, context)
            outcome = "done"
        except InputNeeded as question:
            result, outcome = question.result, "asked"
        except ImageError as error:
            result, outcome = content.failed(error), error.reason.value
            if error.__cause__ is not None:
                log.error("unforeseen", exc_info=error.__cause__, extra={"facts": {"tool": name}})
        except Exception:  # noqa: BLE001 - the boundary: whatever broke, the caller gets a sentence
            log.exception("tool crashed", extra={"facts": {"tool": name}})
            result, outcome = content.failed(_crash()), Reason.INTERNAL.value
        finally:
            self._answering -= 1
            seconds = round(time.monotonic() - began, 3)
            log.info("tool called", extra={"facts": {"tool": name, "outcome": outcome, "seconds": seconds}})
        return result

    async def _answer(
        self, tool: Tool[Any], arguments: Mapping[str, Any], context: Context[State, Any]
    ) -> CallToolResult:
        asked = parameters_of(tool, arguments)
        state = context.request_context.lifespan_context
        soon = takes_tasks(context.request_context, tool.name)
        desk = state.desk.within(WINDOW) if soon else state.desk
        async with progress(reported(context), HEARTBEAT, first="Looking at the request.") as tell:
            call = Call(caller=self._settings.customer_id, tell=tell, confirm=confirm_of(context))
            answer: Answer = await tool.run(asked, desk, call)
        result = await content.answered(answer, state.storage, self._settings)
        if answer.job:
            state.desk.delivered(answer.job)
        return result


async def _recovered(desk: Desk) -> None:
    """Take up what other processes leave behind. A journal that cannot be read is told, and stops no call."""
    while True:
        try:
            await desk.recover()
        except ImageError as error:
            log.error("jobs not taken up", extra={"facts": {"why": error.message}})
        await anyio.sleep(ROUND)


def reported(context: Context[State, Any]) -> Show:
    """Progress as the protocol wants it: a number that always rises, and a word for the person."""
    count = 0

    async def show(message: str, seconds: float) -> None:
        nonlocal count
        count += 1
        await context.report_progress(count, None, f"{message} ({seconds:.0f} s)" if seconds >= 1 else message)

    return show


def _crash() -> ImageError:
    return ImageError(
        Reason.INTERNAL,
        "Atelier failed in a way that it did not foresee.",
        hint=f"The server's log has it under {call_id.get()}; please report it.",
    )


def build_server(settings: Settings, today: Callable[[], date] = utc_today) -> AtelierServer:
    """The server object for any transport. `today` is the day that lifecycles are judged by.

    Raises invalid_request when a folder of the settings leads nowhere.
    """
    storage_of(settings)
    assert settings.readable
    return AtelierServer(settings, today)
