"""Styles as MCP resources: `atelier://styles` lists them, `atelier://styles/{name}` is the file of one."""

from __future__ import annotations

from urllib.parse import unquote

from mcp.types import ResourceTemplate

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.styles.library import StyleLibrary
from atelier.providers.styles.listing import style_line, styles_of

SCHEME = "atelier://styles"
MIME_TYPE = "text/markdown"

TEMPLATE = ResourceTemplate(
    uri_template=f"{SCHEME}/{{name}}",
    name="style",
    title="A style",
    description="The file of a style: words, colours, model and reference images.",
    mime_type=MIME_TYPE,
)


async def read_style(uri: str, library: StyleLibrary) -> str:
    """Return the file of a style, or the list of all. Raises not_found."""
    name = unquote(uri.removeprefix(SCHEME).removeprefix("/"))
    if not name:
        lines = [style_line(style) for style in await styles_of(library)]
        return "\n".join(lines) or "There are no styles."
    found = await library.find(name)
    if found is None:
        hint = await library.suggestion(name)
        raise ImageError(Reason.NOT_FOUND, f"There is no style “{sanitize(name, 60)}”.", hint=hint)
    return found.style.text
