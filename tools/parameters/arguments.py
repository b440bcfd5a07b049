"""Arguments from outside -> a tool's parameters, or one clear sentence on what is wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from atelier.providers.core.errors import ImageError, Reason, sanitize
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
    takes = f"{tool.name} takes: {', '.join(known)}."
    if len(strange) > MOST:
        raise _refused([_unknown(str(name), tool.name, known) for name in strange[:MOST]], len(strange), takes)
    try:
        return tool.parameters.model_validate(dict(arguments))
    except ValidationError as error:
        count = error.error_count()
        problems = error.errors(include_url=False, include_input=False) if count <= MANY else []
    if not problems:
        raise _refused([f"more than {MANY} of the values are wrong"], 1, takes)
    said = [_sentence(problem, tool.name, known) for problem in problems[:MOST]]
    raise _refused(said, count, takes if strange else _described(tool, str(problems[0]["loc"][0])))


def _described(tool: Tool[Any], name: str) -> str:
    """What a parameter is, as the schema of the tool says it."""
    return f"{name}: {tool.parameters.model_fields[name].description}"


def _refused(said: list[str], count: int, hint: str) -> ImageError:
    """Some of so many problems, and what would be right."""
    more = [f"and {count - len(said)} more"] if count > len(said) else []
    message = "; ".join([*said, *more])
    return ImageError(Reason.INVALID_REQUEST, f"{message[:1].upper()}{message[1:]}.", hint=hint)


def _unknown(name: str, tool: str, known: list[str]) -> str:
    name = sanitize(name, 60)
    near = difflib.get_close_matches(name, known, n=1)
    return f"the tool {tool} has no argument “{name}”" + (f" (did you mean “{near[0]}”?)" if near else "")


WRONG = {
    "string_too_short": "is empty",
    "string_too_long": "is longer than {max_length:,} characters",
    "too_long": "has more than {max_length} entries",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    **dict.fromkeys(("literal_error", "enum"), "must be {expected}"),
    **dict.fromkeys(("int_parsing", "int_parsing_size", "int_type", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), "must be a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
    "string_type": "must be text",
    "string_unicode": "must be text in Unicode",
    "list_type": "must be a list",
    "value_error": "{error}",
}
"""What each kind of finding of the validator means to a caller; its own sentences are for programmers."""


def _sentence(problem: ErrorDetails, tool: str, known: list[str]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return _unknown(place, tool, known)
    name = sanitize(place, 60)
    if problem["type"] == "missing":
        return f"the argument “{name}” is missing"
    says = WRONG.get(problem["type"], "has a value that cannot be used")
    return f"“{name}” {says.format_map(problem.get('ctx', {}))}".replace("'", "")
