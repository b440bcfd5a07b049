"""The OpenAI Agents SDK, driven by a model at `ask["model"]`. Prints what it saw as JSON."""

import asyncio
import json
import sys

from agents import Agent, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from openai import AsyncOpenAI


def server(target, **options):
    if "url" in target:
        return MCPServerStreamableHttp(target, client_session_timeout_seconds=60, **options)
    return MCPServerStdio(target, client_session_timeout_seconds=60, **options)


async def main():
    ask = json.load(sys.stdin)
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=ask["model"], api_key="local")
    model = OpenAIChatCompletionsModel(model="scripted", openai_client=client)
    async with server(ask["target"]) as atelier:
        agent = Agent(name="drawer", model=model, mcp_servers=[atelier], mcp_config={"convert_schemas_to_strict": True})
        result = await Runner.run(agent, "Draw a fox.")
        outputs = [str(item.output) for item in result.new_items if item.type == "tool_call_output_item"]
        tools = [tool.name for tool in await atelier.list_tools()]
    sys.stdout.write(json.dumps({"tools": tools, "drawn": outputs[0], "edited": outputs[1], "error": outputs[2]}))


asyncio.run(main())
