"""The studio as an MCP App: what a client that supports the extension `io.modelcontextprotocol/ui` learns of it.

To every other client the server looks as it would without the studio. Facts: the extension's specification of
2026-01-26.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.server.context import ServerRequestContext
from mcp.server.extension import Extension, ResourceBinding
from mcp.server.mcpserver.resources import Resource
from mcp.types import CallToolResult, ListToolsResult, PaginatedRequestParams, TextContent
from mcp.types import Tool as ToolDescription

from atelier.server.mcp import descriptions
from atelier.server.mcp.resources.resource_server import ResourceServer
from atelier.server.studio.page import studio_page
from atelier.server.studio.sessions import supports_apps
from atelier.tools.tool import Answer, Tool

URI = "ui://atelier/studio.html"

SHOWN_BY = frozenset({"generate_image", "edit_image", "get_image"})
"""Tools whose results the studio shows."""

StateT = TypeVar("StateT")


class StudioPage(Resource):
    """The page, which is built when it is first read."""

    async def read(self) -> str:
        """Return the HTML."""
        return studio_page()


class StudioApp(Extension):
    """Advertises the extension, and serves the page."""

    identifier = EXTENSION_ID

    def resources(self) -> Sequence[ResourceBinding]:
        """Return the page. It needs no origin and no permission: images come through its tools."""
        page = StudioPage(
            uri=URI,
            name="studio",
            title="Studio",
            description="A gallery of the images, with a mask painter and a comparison.",
            mime_type=APP_MIME_TYPE,
            meta={"ui": {"csp": {"connectDomains": [], "resourceDomains": []}, "prefersBorder": True}},
        )
        return [ResourceBinding(resource=page)]


class StudioServer(ResourceServer[StateT]):
    """A ResourceServer that shows the studio to clients that support MCP Apps.

    `app_tools` are the tools of the page; without them there is no studio.
    """

    app_tools: Mapping[str, Tool[Any]]

    async def _handle_list_tools(
        self, ctx: ServerRequestContext[StateT], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """Return the tools; for a client with the extension also those of the page, and which results it shows."""
        tools = await self.list_tools()
        if not self.app_tools or not supports_apps(ctx):
            return ListToolsResult(tools=tools)
        shown = [_described(tool, {"resourceUri": URI}) if tool.name in SHOWN_BY else tool for tool in tools]
        own = [_described(descriptions.description(tool), {"visibility": ["app"]}) for tool in self.app_tools.values()]
        return ListToolsResult(tools=[*shown, *own], cache_scope="private")


def _described(tool: ToolDescription, ui: dict[str, Any]) -> ToolDescription:
    return tool.model_copy(update={"meta": {**(tool.meta or {}), "ui": ui}})


def app_result(answer: Answer) -> CallToolResult:
    """Return the answer of a tool of the page: data for its script, whatever the settings say of other answers."""
    return CallToolResult(
        content=[TextContent(type="text", text=answer.text)],
        structured_content=answer.data.model_dump(mode="json", exclude_none=True),
    )
