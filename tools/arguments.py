"""Arguments from outside -> a tool's parameters, or one clear sentence on what is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from atelier.providers.core.errors import ImageError, Reason, quoted
from atelier.tools.tool import Asked, Tool

MOST = 5  # problems that one refusal names
MANY = 100  # names that mean nothing, beyond which none is looked at


def parameters_of(tool: Tool[Asked], arguments: Mapping[str, Any]) -> Asked:
    """The validated parameters. Raises invalid_request, which names every argument that is wrong, never its value."""
    known = list(tool.parameters.model_fields)
    strangers = [name for name in arguments if name not in tool.parameters.model_fields]
    if len(strangers) > MANY:
        message = f"The tool {tool.name} has none of {len(strangers)} of these arguments."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=f"{tool.name} takes: {', '.join(known)}.")
    try:
        return tool.parameters.model_validate(dict(arguments))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
    strange = [p for p in problems if p["type"] == "extra_forbidden"]
    hint = f"{tool.name} takes: {', '.join(known)}." if strange else "Correct it and call again."
    said = [_sentence(problem, tool.name, known) for problem in problems[:MOST]]
    more = [f"and {len(problems) - MOST} more"] if len(problems) > MOST else []
    message = "; ".join([*said, *more])
    raise ImageError(Reason.INVALID_REQUEST, f"{message[:1].upper()}{message[1:]}.", hint=hint)


def _sentence(problem: ErrorDetails, tool: str, known: list[str]) -> str:
    name, limits = quoted(".".join(str(part) for part in problem["loc"]), 60), problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return f"the argument “{name}” is missing"
        case "extra_forbidden":
            near = difflib.get_close_matches(name, known, n=1)
            return f"the tool {tool} has no argument “{name}”" + (f" (did you mean “{near[0]}”?)" if near else "")
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
