"""Validate the arguments of a call, and describe the errors in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.tools.tool import ParametersT, Tool

MAX_PROBLEMS = 5  # that one error names
MAX_VALIDATED_PROBLEMS = 100  # above it the error lists none: formatting a million blocks the event loop for seconds


HOST_ARGUMENTS = {
    "wait_for_previous": "Gemini CLI and Qwen Code put it into every tool's schema (seen 2026-11-29)",
    "waitForPreviousTools": "Google Antigravity puts it into every tool's schema (its tool lists of 2026)",
    "toolCallId": "n8n's MCP Client Tool (n8n issue 21500)",
    **dict.fromkeys(("sessionId", "action", "chatInput"), "n8n's MCP Client Tool after a chat (n8n issue 22787)"),
    "task_progress": "Cline's model writes it into every call (cline issue 9684)",
}
"""Arguments that hosts add to a call -> the source of that fact. They are ignored, as is `_meta` and the like."""


def parameters_of(tool: Tool[ParametersT], arguments: Mapping[str, Any]) -> ParametersT:
    """Return the validated parameters.

    Raises invalid_request, which names every wrong argument and never its value.
    """
    known = list(tool.parameters.model_fields)
    arguments = {
        name: value
        for name, value in arguments.items()
        if name in known or not (name in HOST_ARGUMENTS or name.startswith("_"))
    }
    unknown = [name for name in arguments if name not in tool.parameters.model_fields]
    takes = f"{tool.name} takes: {', '.join(known)}."
    if len(unknown) > MAX_PROBLEMS:
        raise refused([_unknown(str(name), tool.name, known) for name in unknown[:MAX_PROBLEMS]], len(unknown), takes)
    try:
        return tool.parameters.model_validate(dict(arguments))
    except ValidationError as error:
        count = error.error_count()
        problems = error.errors(include_url=False, include_input=False) if count <= MAX_VALIDATED_PROBLEMS else []
    if not problems:
        raise refused([f"more than {MAX_VALIDATED_PROBLEMS} of the values are wrong"], 1, takes)
    sentences = [_sentence(problem, tool.name, known) for problem in problems[:MAX_PROBLEMS]]
    raise refused(sentences, count, takes if unknown else _described(tool, str(problems[0]["loc"][0])))


def _described(tool: Tool[Any], name: str) -> str:
    """Return the name and the schema's description of a parameter."""
    return f"{name}: {tool.parameters.model_fields[name].description}"


def refused(sentences: list[str], count: int, hint: str) -> ImageError:
    """Return the error that lists the first of `count` problems and counts the rest."""
    more = [f"and {count - len(sentences)} more"] if count > len(sentences) else []
    message = "; ".join([*sentences, *more])
    return ImageError(Reason.INVALID_REQUEST, f"{message[:1].upper()}{message[1:]}.", hint=hint)


def _unknown(name: str, tool: str, known: list[str]) -> str:
    name = sanitize(name, 60)
    near = difflib.get_close_matches(name, known, n=1)
    return f"the tool {tool} has no argument “{name}”" + (f" (did you mean “{near[0]}”?)" if near else "")


PROBLEM_SENTENCES = {
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
"""pydantic's error type -> a sentence for callers; pydantic's own sentences are written for programmers."""


def _sentence(problem: ErrorDetails, tool: str, known: list[str]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return _unknown(place, tool, known)
    return sentence(problem, place)


def sentence(problem: ErrorDetails, place: str) -> str:
    """Say what is wrong with the value at a place, without the value."""
    name = sanitize(place, 60)
    if problem["type"] == "missing":
        return f"the argument “{name}” is missing"
    if problem["type"] == "extra_forbidden":
        return f"“{name}” is not known"
    says = PROBLEM_SENTENCES.get(problem["type"], "has a value that cannot be used")
    return f"“{name}” {says.format_map(problem.get('ctx', {}))}".replace("'", "")
