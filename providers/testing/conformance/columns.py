"""The values that a row offers for each option, and values that it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atelier.providers.core.gates.option_gates import SIDES
from atelier.providers.core.gates.option_limits import Limit
from atelier.providers.core.sizes import parse_size
from atelier.providers.core.types import Feature, Model, Operation
from atelier.providers.testing.conformance.bench import EVERYWHERE, PHOTO
from atelier.providers.vendors.registry import all_providers

Change = Mapping[str, Any]

TODAYS = tuple(row for provider in all_providers() for row in provider.models)

WORDS = {
    "aspect_ratio": "aspect_ratios",
    "resolution": "resolutions",
    "quality": "qualities",
    "style": "styles",
    "background": "backgrounds",
    "output_format": "formats",
}
"""Field of a request -> column of a row, where a value is a word."""

SWITCHES: dict[Feature, Change] = {
    Feature.NEGATIVE_PROMPT: {"negative_prompt": "fog"},
    Feature.SEED: {"seed": 7},
    Feature.STRENGTH: {"strength": 0.5},
    Feature.COMPRESSION: {"compression": 50, "output_format": "jpeg"},
    Feature.MASK: {"mask": EVERYWHERE},
}


COMPANIONS = {"light_source_strength": {"light_source_direction": "above"}, "ow": {"reference": "omni"}}
"""Options that a vendor takes only together with another one."""


def listed(row: Model) -> dict[str, list[Change]]:
    """Option -> every value that a row offers, as changes to a request; words for the default are left out."""
    found: dict[str, list[Change]] = {
        field: [{field: value} for value in getattr(row, column) if value not in ("auto", "opaque")]
        for field, column in WORDS.items()
    }
    found["size"] = [{"size": value} for value in row.sizes if value != "auto"]
    for feature in sorted(row.features):  # in one order, whichever process collects them
        found[feature] = [SWITCHES[feature]]
    for limit in row.limits:
        found[limit.option] = [
            {"options": {limit.option: value, **COMPANIONS.get(limit.option, {})}}
            for value in within(limit)
            if value or limit.option not in SIDES  # 0 is a side that does not grow
        ]
    if row.max_sources:
        found["images"] = [{"sources": (PHOTO,) * row.max_sources}]
    return {option: changes for option, changes in found.items() if changes}


def within(limit: Limit) -> list[Any]:
    """The outermost values that a limit allows."""
    match limit.kind:
        case "switch":
            return [True, False]
        case "words":
            return list(limit.words)
        case "text":
            return ["x", "x" * int(limit.maximum)]
        case "whole":
            return [int(limit.minimum), int(limit.maximum)]
        case "number":
            return [limit.minimum, limit.maximum]


def outside(limit: Limit) -> list[Any]:
    """Values that it does not allow: beyond an end, of another kind, or none at all."""
    match limit.kind:
        case "switch":
            return ["true", 1, 0, None]
        case "words":
            shouted = [word.upper() for word in limit.words[:1] if word.upper() not in limit.words]
            return ["no-such-word", "", 1, True, *shouted]
        case "text":
            return ["", "x" * int(limit.maximum + 1), 1, True]
        case "whole":
            return [int(limit.minimum) - 1, int(limit.maximum) + 1, limit.minimum + 0.5, "1", True, float("nan")]
        case "number":
            return [limit.minimum - 0.01, limit.maximum + 0.01, "1", True, float("nan"), float("inf"), {"a": 1}]


def unlisted(row: Model) -> dict[str, list[Change]]:
    """Option -> what some row offers, or none does, and this one does not."""
    found: dict[str, list[Change]] = {
        field: [{field: value} for value in (*all_of(column), "no-such-word") if value not in getattr(row, column)]
        for field, column in WORDS.items()
    }
    if not row.aspect_ratios:  # it may be computed from pixels, if these are not too far apart
        found["aspect_ratio"] = [{"aspect_ratio": "777:1"}]
    found["size"] = [{"size": size} for size in (*all_of("sizes"), "17x19") if not takes(row, size)]
    for feature in Feature:
        dropped = feature is Feature.MASK and row.operations == frozenset({Operation.VARIATION})  # with a warning
        if feature not in row.features and not dropped:
            found[feature] = [{name: value for name, value in SWITCHES[feature].items() if name != "output_format"}]
    unknown = {option for other in TODAYS for option in other.options} | {"no_such_option"}
    found["options"] = [{"options": {option: 1}} for option in sorted(unknown - row.options)]
    found["images"] = [{"sources": (PHOTO,) * (row.max_sources + 1)}]
    if row.max_prompt == 0:
        found["prompt"] = [{"prompt": "a fox"}]
    return {option: changes for option, changes in found.items() if changes}


def all_of(column: str) -> list[str]:
    """Every value that some row has in a column."""
    return sorted({value for row in TODAYS for value in getattr(row, column)})


def takes(row: Model, size: str) -> bool:
    edges = parse_size(size)
    return size in row.sizes or bool(edges and row.size_rule and row.size_rule.allows(*edges))
