"""pydantic-ai's agent with a scripted model at `ask["model"]`. Prints what it saw as JSON."""

import asyncio
import json
import sys

from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import RetryPromptPart, ToolReturnPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


def transport(target):
    if "url" in target:
        return StreamableHttpTransport(target["url"], headers=target["headers"])
    return StdioTransport(target["command"], target["args"], env=target["env"])


async def main():
    ask = json.load(sys.stdin)
    model = OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=ask["model"], api_key="local"))
    toolset = MCPToolset(transport(ask["target"]))
    async with Agent(model, toolsets=[toolset]) as agent:
        tools = [tool.name for tool in await toolset.list_tools()]
        result = await agent.run("Draw a fox.")
    parts = [part for message in result.all_messages() for part in message.parts]
    outputs = [str(part.content) for part in parts if isinstance(part, ToolReturnPart | RetryPromptPart)]
    sys.stdout.write(json.dumps({"tools": tools, "drawn": outputs[0], "edited": outputs[1], "error": outputs[2]}))


asyncio.run(main())
