"""The part of the MCP server that lists, reads and completes images as resources."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.types import (
    Completion,
    CompletionArgument,
    InputRequiredResult,
    ListResourcesResult,
    PaginatedRequestParams,
    ResourceTemplate,
    ResourceTemplateReference,
)
from pydantic import AnyUrl

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.images.asset_storage import Storage
from atelier.providers.styles.library import StyleLibrary
from atelier.server.calls import Calls
from atelier.server.mcp.guidance.prompt import Kind
from atelier.server.mcp.guidance.prompt_server import PromptServer
from atelier.server.mcp.guidance.prompts import PROMPTS
from atelier.server.mcp.resources import images, styles
from atelier.server.mcp.resources.completions import completed
from atelier.server.studio.sessions import supports_apps

APP_SCHEME = "ui://"  # of pages that only clients with the extension for them can show

StateT = TypeVar("StateT")


class ResourceServer(PromptServer[StateT]):
    """An MCPServer whose resources are the images of the caller of a request, beside resources that were added."""

    calls: Calls

    @abstractmethod
    def caller_storage(self) -> tuple[str, Storage]:
        """Return the caller of the current request and where its images are."""

    @abstractmethod
    def styles(self) -> StyleLibrary:
        """Return the styles of the caller of the current request."""

    @abstractmethod
    def catalog(self) -> Catalog:
        """Return the models."""

    async def _handle_list_resources(
        self, ctx: ServerRequestContext[StateT], params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        """Return a page of the newest images; the first has the added resources, too."""
        cursor = params.cursor if params else None
        caller, storage = self.caller_storage()
        with images.protocol_errors():
            async with self.calls.answering("resources/list", caller):
                page = await images.list_page(storage, cursor)
        added = [] if cursor else await self.list_resources()
        if not supports_apps(ctx):
            added = [resource for resource in added if not resource.uri.startswith(APP_SCHEME)]
        return page.model_copy(update={"resources": [*added, *page.resources]})

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """Return the templates of images and styles, then added ones."""
        return [*images.TEMPLATES, styles.TEMPLATE, *await super().list_resource_templates()]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[StateT, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read an image, its preview, a style, or an added resource."""
        if str(uri).startswith(images.SCHEME):
            caller, storage = self.caller_storage()
            with images.protocol_errors():
                async with self.calls.answering("resources/read", caller):
                    return await images.read(str(uri), storage)
        if str(uri).startswith(styles.SCHEME):
            with images.protocol_errors():
                async with self.calls.answering("resources/read", self.caller_storage()[0]):
                    text = await styles.read_style(str(uri), self.styles())
            return [ReadResourceContents(text, styles.MIME_TYPE)]
        return await super().read_resource(uri, context)

    async def complete(self, ref: Any, argument: CompletionArgument, context: Any) -> Completion | None:
        """Return the values that complete an argument of a template or of a prompt."""
        kind = _kind(ref, argument.name)
        others: Mapping[str, str] = (context.arguments if context else None) or {}
        storage, catalog = self.caller_storage()[1], self.catalog()
        return await completed(kind, argument.value, others, catalog, self.styles(), storage) if kind else None


def _kind(ref: Any, name: str) -> Kind | None:
    """Return what the argument holds; None for one that is not ours."""
    if isinstance(ref, ResourceTemplateReference):
        if any(ref.uri == template.uri_template for template in images.TEMPLATES):
            return "image" if name == "id" else None
        return "style" if (ref.uri, name) == (styles.TEMPLATE.uri_template, "name") else None
    arguments = [each for prompt in PROMPTS if prompt.name == ref.name for each in prompt.arguments]
    return next((argument.kind for argument in arguments if argument.name == name), None)
