"""The record of a prompt and of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, GetPromptResult, PromptMessage, TextContent
from mcp.types import Prompt as PromptDescription
from mcp.types import PromptArgument as ArgumentDescription

from atelier.providers.core.errors import sanitize

Kind = Literal["text", "model", "models", "style", "size", "aspect_ratio", "image", "count"]
"""What an argument holds: by it, values are completed and checked."""

MAX_ARGUMENT = 8_000  # characters
MAX_COUNT = 10


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a prompt."""

    name: str
    description: str
    kind: Kind = "text"
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt. `text` makes its message from the arguments; those that are absent are empty."""

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    text: Callable[[Mapping[str, str]], str]

    def described(self) -> PromptDescription:
        """Return the prompt as `prompts/list` has it."""
        arguments = [
            ArgumentDescription(name=each.name, description=each.description, required=each.required)
            for each in self.arguments
        ]
        return PromptDescription(name=self.name, title=self.title, description=self.description, arguments=arguments)

    def rendered(self, arguments: Mapping[str, str]) -> GetPromptResult:
        """Return the message with the arguments. Raises MCPError for arguments that are wrong."""
        values = {name: value.strip() for name, value in arguments.items()}
        known = {argument.name: argument for argument in self.arguments}
        if unknown := [name for name in values if name not in known]:
            raise _wrong(f"{self.name} has no argument {sanitize(unknown[0], 60)}; it has {', '.join(known)}.")
        for name, argument in known.items():
            if why := _refusal(argument, values.get(name, "")):
                raise _wrong(f"The argument {name} of {self.name} {why}.")
        text = self.text({name: values.get(name, "") for name in known})
        message = PromptMessage(role="user", content=TextContent(type="text", text=text))
        return GetPromptResult(description=self.description, messages=[message])


def _refusal(argument: Argument, value: str) -> str | None:
    if argument.required and not value:
        return "is missing"
    if len(value) > MAX_ARGUMENT:
        return f"is longer than {MAX_ARGUMENT:,} characters"
    counts = value.isascii() and value.isdecimal() and 1 <= int(value) <= MAX_COUNT
    if argument.kind == "count" and value and not counts:
        return f"must be a number from 1 to {MAX_COUNT}"
    return None


def _wrong(message: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=message)
