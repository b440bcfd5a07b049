"""smolagents' MCP client. Reads what to connect to from stdin, and prints what it saw as JSON."""

import json
import re
import sys

from mcp import StdioServerParameters
from smolagents import MCPClient

ask = json.load(sys.stdin)
target = ask["target"]
server = {**target, "transport": "streamable-http"} if "url" in target else StdioServerParameters(**target)
with MCPClient(server, structured_output=True) as found:
    tools = {tool.name: tool for tool in found}
    optional = [name for name, value in tools["generate_image"].inputs.items() if value.get("nullable")]
    drawn = tools["generate_image"](**ask["draw"])
    drawn = drawn if isinstance(drawn, str) else json.dumps(drawn)
    image = re.search(r"img_\w{20,}", drawn)[0]
    edited = tools["edit_image"](**ask["edit"], image=image)
    edited = edited if isinstance(edited, str) else json.dumps(edited)
    try:
        error = str(tools["generate_image"](**ask["wrong"]))
    except Exception as refused:  # noqa: BLE001 - of any kind
        error = str(refused)
sys.stdout.write(
    json.dumps({"tools": list(tools), "drawn": drawn, "edited": edited, "error": error, "optional": optional})
)
