"""Parse `name=value` into options of a model. `core/gates/option_gates.py` checks whether the model has them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic_core import from_json

from atelier.providers.core.gates.option_gates import ATELIER_OPTIONS
from atelier.tools.parameters.fields import parse_pairs

OPTION = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]{0,59})\s*=(.*)", re.DOTALL)
MAX_NUMBER_CHARACTERS = 40  # characters

EDITING = ("image", "images", "mask", "operation", "strength", *ATELIER_OPTIONS)
"""Parameters of edit_image that generate_image does not have."""


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


def move_options(given: Mapping[str, Any], names: Collection[str]) -> Mapping[str, Any]:
    """Return the arguments with those options moved that have one of these names and are not given beside `options`."""
    try:
        pairs = parse_pairs(given.get("options"))
        named = {pair: OPTION.fullmatch(pair) for pair in pairs}
    except (AttributeError, TypeError, ValueError):  # no object, or no list of texts, which the validator refuses
        return given
    moved = {
        pair: match
        for pair, match in named.items()
        if match and match[1] in names and given.get(match[1]) in (None, "", match[2].strip())
    }
    if not moved:
        return given
    rest = [pair for pair in pairs if pair not in moved]
    return {**given, "options": rest, **{match[1]: match[2].strip() for match in moved.values()}}


def refuse_parameters(options: Mapping[str, Any], parameters: Collection[str]) -> None:
    """Raise ValueError when an option has the name of a parameter."""
    for name in options:
        if name in parameters:
            raise ValueError(f"must not have {name}, which is a parameter of its own: give it as {name}")
        if name in EDITING:
            raise ValueError(f"must not have {name}, which is a parameter of edit_image")


def _value(text: str) -> Any:
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return text
    if isinstance(value, int | float) and (len(text) > MAX_NUMBER_CHARACTERS or not math.isfinite(value)):
        return text
    return value if isinstance(value, str | int | float) else text
