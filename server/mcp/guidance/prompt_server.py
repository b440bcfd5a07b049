"""The part of the MCP server that serves the prompts."""

from __future__ import annotations

from typing import Any, TypeVar

from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, GetPromptResult, InputRequiredResult
from mcp.types import Prompt as PromptDescription

from atelier.providers.core.errors import sanitize
from atelier.server.mcp.guidance.prompts import PROMPTS

StateT = TypeVar("StateT")


class PromptServer(MCPServer[StateT]):
    """An MCPServer that serves the records of `PROMPTS` beside prompts that were added with its own decorators."""

    async def list_prompts(self) -> list[PromptDescription]:
        """Return the descriptions of `PROMPTS`, then those of added prompts."""
        return [*(prompt.described() for prompt in PROMPTS), *await super().list_prompts()]

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[StateT, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """Return a prompt with its arguments. Raises MCPError for an unknown prompt and for wrong arguments."""
        for prompt in PROMPTS:
            if prompt.name == name:
                return prompt.rendered({key: str(value) for key, value in (arguments or {}).items()})
        if name in {added.name for added in await super().list_prompts()}:
            return await super().get_prompt(name, arguments, context)
        known = ", ".join(prompt.name for prompt in PROMPTS)
        message = f"There is no prompt {sanitize(name, 60)}. The prompts are {known}."
        raise MCPError(code=INVALID_PARAMS, message=message)
