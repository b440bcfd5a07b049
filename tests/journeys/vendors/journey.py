"""The steps of a journey: a server with one vendor, its tools, and a call whose server is killed."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from mcp.client import Client
from mcp.types import TextContent

from tests.conftest import Environ, png
from tests.faults.servers import answered, killed_at, served


def started(environ: Environ) -> AbstractAsyncContextManager[Client]:
    """Return the official client on a server over stdio."""
    return served(environ)


def photo(folder: Path, width: int = 256, height: int = 256, colour: str = "orange", mode: str = "RGB") -> str:
    """Write a picture that a caller may name as a source, and return its path."""
    path = folder / "out" / f"{colour}-{mode}-{width}x{height}.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(png(width, height, colour, mode))
    return str(path)


async def made(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that makes images; each image is a file."""
    answer = answered(await client.call_tool(tool, arguments))
    assert answer["images"], answer
    assert all(Path(image["path"]).is_file() for image in answer["images"])
    return answer


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that refuses; return its words."""
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    return " ".join(block.text for block in answer.content if isinstance(block, TextContent))


async def collected_after_a_crash(environ: Environ, tool: str, **arguments: Any) -> dict[str, Any]:
    """Kill the server once it has stored the vendor's task; return what the same call to the next server gives."""
    await killed_at(environ, "save_vendor_task", "after", tool, arguments)
    async with started(environ) as client:
        return await made(client, tool, **arguments)
