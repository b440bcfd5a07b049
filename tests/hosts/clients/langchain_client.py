"""LangChain's MCP adapters. Reads what to connect to from stdin, and prints what it saw as JSON."""

import asyncio
import json
import re
import sys

from langchain_core.tools import ToolException
from langchain_mcp_adapters.client import MultiServerMCPClient


async def main():
    ask = json.load(sys.stdin)
    transport = "streamable_http" if "url" in ask["target"] else "stdio"
    client = MultiServerMCPClient({"atelier": {**ask["target"], "transport": transport}})
    tools = {tool.name: tool for tool in await client.get_tools()}
    drawn = str(await tools["generate_image"].ainvoke(ask["draw"]))
    image = re.search(r"img_\w{20,}", drawn)[0]
    edited = str(await tools["edit_image"].ainvoke({**ask["edit"], "image": image}))
    try:
        error = str(await tools["generate_image"].ainvoke(ask["wrong"]))
    except ToolException as refused:
        error = str(refused)
    sys.stdout.write(json.dumps({"tools": list(tools), "drawn": drawn, "edited": edited, "error": error}))


asyncio.run(main())
