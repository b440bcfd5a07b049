"""fastmcp's client. Reads what to connect to from stdin, and prints what it saw as JSON."""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport


def transport(target):
    if "url" in target:
        return StreamableHttpTransport(target["url"], headers=target["headers"])
    return StdioTransport(target["command"], target["args"], env=target["env"])


async def main():
    ask = json.load(sys.stdin)
    async with Client(transport(ask["target"])) as client:
        tools = [tool.name for tool in await client.list_tools()]
        drawn = await client.call_tool("generate_image", ask["draw"])
        image = drawn.structured_content["images"][0]["id"]
        edited = await client.call_tool("edit_image", {**ask["edit"], "image": image})
        refused = await client.call_tool("generate_image", ask["wrong"], raise_on_error=False)
        text = [each.content[0].text for each in (drawn, edited, refused)]
        sys.stdout.write(json.dumps({"tools": tools, "drawn": text[0], "edited": text[1], "error": text[2]}))


asyncio.run(main())
