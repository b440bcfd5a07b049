"""Arguments from outside -> a tool's parameters, or one clear sentence on what is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from atelier.providers.core.errors import ImageError, Reason, quoted
from atelier.tools.tool import Asked, Tool

MOST = 5  # problems that one refusal names
MANY = 100  # problems beyond which none is named; to list a million takes seconds in which nobody else is answered


HOST_ARGUMENTS = {"wait_for_previous": "Gemini CLI and Qwen Code put it into every tool's schema (seen 2026-11-29)"}
"""Arguments that hosts add to a call for themselves, and where that is known from. They are ignored."""


def parameters_of(tool: Tool[Asked], arguments: Mapping[str, Any]) -> Asked:
    """The validated parameters. Raises invalid_request, which names every argument that is wrong, never its value."""
    known = list(tool.parameters.model_fields)
    arguments = {name: value for name, value in arguments.items() if name in known or name not in HOST_ARGUMENTS}
    strange = [name for name in arguments if name not in tool.parameters.model_fields]
    if len(strange) > MOST:
        raise _refused([_unknown(str(name), tool.name, known) for name in strange[:MOST]], len(strange), tool, known)
    try:
        return tool.parameters.model_validate(dict(arguments))
    except ValidationError as error:
        count = error.error_count()
        problems = error.errors(include_url=False, include_input=False) if count <= MANY else []
    if not problems:
        raise _refused([f"more than {MANY} of the values are wrong"], 1, tool)
    said = [_sentence(problem, tool.name, known) for problem in problems[:MOST]]
    raise _refused(said, count, tool, known if strange else ())


def _refused(said: list[str], count: int, tool: Tool[Any], known: Sequence[str] = ()) -> ImageError:
    """Some of so many problems, and the names that would have been `known`."""
    more = [f"and {count - len(said)} more"] if count > len(said) else []
    message = "; ".join([*said, *more])
    hint = f"{tool.name} takes: {', '.join(known)}." if known else "Correct it and call again."
    return ImageError(Reason.INVALID_REQUEST, f"{message[:1].upper()}{message[1:]}.", hint=hint)


def _unknown(name: str, tool: str, known: list[str]) -> str:
    name = quoted(name, 60)
    near = difflib.get_close_matches(name, known, n=1)
    return f"the tool {tool} has no argument “{name}”" + (f" (did you mean “{near[0]}”?)" if near else "")


def _sentence(problem: ErrorDetails, tool: str, known: list[str]) -> str:
    place, limits = ".".join(str(part) for part in problem["loc"]), problem.get("ctx", {})
    name = quoted(place, 60)
    match problem["type"]:
        case "missing":
            return f"the argument “{name}” is missing"
        case "extra_forbidden":
            return _unknown(place, tool, known)
        case "string_too_short":
            return f"“{name}” is empty"
        case "string_too_long":
            return f"“{name}” is longer than {limits['max_length']:,} characters"
        case "greater_than_equal":
            return f"“{name}” must be at least {limits['ge']}"
        case "less_than_equal":
            return f"“{name}” must be at most {limits['le']}"
        case "literal_error":
            return f"“{name}” must be {limits['expected']}".replace("'", "")
        case _:
            words = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
            return f"“{name}” {words}"
