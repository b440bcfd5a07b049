"""Validate the arguments of a call: read what hosts and models write, and refuse what is wrong in one sentence.

`fields` names the readers of a value; `core/gates/option_gates.py` checks whether a model has an option.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import ErrorDetails, from_json

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.option_gates import ATELIER_OPTIONS

if TYPE_CHECKING:
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
    if not unknown:
        name = str(problems[0]["loc"][0])
        takes = f"{name}: {tool.parameters.model_fields[name].description}"
    raise refused(sentences, count, takes)


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


def blank_is(default: Any) -> BeforeValidator:
    """Return the validator that reads a blank value as `default`: some hosts fill in every field."""

    def validated(value: Any) -> Any:
        return default if value is None or (isinstance(value, str) and not value.strip()) else value

    return BeforeValidator(validated)


def refuse_bool(value: Any) -> Any:
    """Refuse a bool, which Python counts as an int."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def normalize_word(value: Any) -> Any:
    """Return a text in lower case."""
    return value.strip().lower() if isinstance(value, str) else value


def jpg_is_jpeg(value: Any) -> Any:
    """Return jpeg for jpg."""
    return "jpeg" if value == "jpg" else value


def parse_list(value: Any) -> Any:
    """Return a list; some hosts send one as a string of JSON, or its only member without brackets."""
    if not isinstance(value, str):
        return [] if value is None else value
    text = value.strip()
    if text.startswith("["):
        try:
            return from_json(text)
        except ValueError:
            return [text]
    return [text] if text else []


def parse_pairs(value: Any) -> Any:
    """Return a list of NAME=VALUE; models also send an object, or one as a string of JSON."""
    given = from_json(value) if isinstance(value, str) and value.strip().startswith("{") else value
    if not isinstance(given, dict):
        return parse_list(given)
    found = cast("dict[str, Any]", given)
    return [f"{name}={each if isinstance(each, str) else json.dumps(each)}" for name, each in found.items()]


OPTION = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]{0,59})\s*=(.*)", re.DOTALL)
MAX_NUMBER_CHARACTERS = 40  # characters

EDITING = ("image", "images", "mask", "operation", "strength", *ATELIER_OPTIONS)
"""Parameters of edit_image that generate_image does not have."""

RARE = frozenset({
    "seed", "negative_prompt", "output_compression", "fallback", "strength", "search", "left", "right", "top", "bottom",
})  # fmt: skip
"""Parameters that `options` takes as NAME=VALUE, too: models see them named there."""


def parse_options(pairs: Iterable[str]) -> dict[str, Any]:
    """Return `{"steps": 30, "mode": "fast"}` for `["steps=30", "mode=fast"]`.

    A JSON number or boolean becomes one; a value in double quotes stays text, as in `user="123"`. Raises ValueError
    with the reason.
    """
    found = dict[str, Any]()
    for pair in pairs:
        option = OPTION.fullmatch(pair)
        if option is None:
            raise ValueError("must be written as name=value, for example partial_images=2")
        name, text = option[1], option[2].strip()
        if not text:
            raise ValueError(f"has no value for {name}")
        if name in found:
            raise ValueError(f"has {name} twice")
        found[name] = _value(text)
    return found


def move_rare_options(cls: type[BaseModel], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments with the options moved that are in RARE and are not given beside `options`."""
    try:
        pairs = parse_pairs(given.get("options"))
        named = {pair: OPTION.fullmatch(pair) for pair in pairs}
    except (AttributeError, TypeError, ValueError):  # no object, or no list of texts, which the validator refuses
        return given
    moved = {
        pair: match
        for pair, match in named.items()
        if match
        and match[1] in RARE
        and match[1] in cls.model_fields
        and given.get(match[1]) in (None, "", match[2].strip())
    }
    if not moved:
        return given
    rest = [pair for pair in pairs if pair not in moved]
    return {**given, "options": rest, **{match[1]: match[2].strip() for match in moved.values()}}


def check_option_names(cls: type[BaseModel], options: list[str]) -> list[str]:
    """Return the options. Raises ValueError when one has the name of a parameter."""
    for name in parse_options(options):
        if name in cls.model_fields:
            raise ValueError(f"must not have {name}, which is a parameter of its own: give it as {name}")
        if name in EDITING:
            raise ValueError(f"must not have {name}, which is a parameter of edit_image")
    return options


def _value(text: str) -> Any:
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return text
    if isinstance(value, int | float) and (len(text) > MAX_NUMBER_CHARACTERS or not math.isfinite(value)):
        return text
    return value if isinstance(value, str | int | float) else text
