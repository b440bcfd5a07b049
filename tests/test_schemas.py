"""Every tool's schemas pass every host: the narrowest rules of each, in one lint."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from atelier.server.mcp import results
from atelier.server.mcp.instructions import INSTRUCTIONS
from atelier.server.settings import Settings
from atelier.tools import TOOLS
from atelier.tools.tool import Tool

FORBIDDEN = {
    "anyOf", "oneOf", "allOf", "not", "$ref", "$defs", "definitions", "const", "exclusiveMinimum",
    "exclusiveMaximum", "patternProperties", "prefixItems", "if", "then", "else", "dependentRequired",
    "dependentSchemas", "unevaluatedProperties",
}  # fmt: skip
BY_NAME = {tool.name: tool for tool in TOOLS}
each_tool = pytest.mark.parametrize("tool", TOOLS, ids=list(BY_NAME))


def lint(node: Any, path: str = "$", *, nested: bool = False) -> list[str]:
    """What a schema has that some host chokes on. `nested` allows objects below the root, as outputs need."""
    found = [f"{path}: {key}" for key in node if key in FORBIDDEN]
    kind = node.get("type")
    if not isinstance(kind, str):
        found.append(f"{path}: type is {kind!r}")
    if kind == "array" and not isinstance(node.get("items"), dict):
        found.append(f"{path}: array without items")
    if "enum" in node and (kind != "string" or not all(isinstance(word, str) and word for word in node["enum"])):
        found.append(f"{path}: enum must be words")
    if kind == "object" and path != "$" and not nested:
        found.append(f"{path}: nested object")
    if isinstance(node.get("additionalProperties"), dict):
        found.append(f"{path}: map")
    if "default" in node and node["default"] is None:
        found.append(f"{path}: default null")
    if "title" in node and isinstance(node["title"], str):
        found.append(f"{path}: title")
    for name, below in node.get("properties", {}).items():
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
            found.append(f"{path}.{name}: name")
        found += lint(below, f"{path}.{name}", nested=nested)
    if isinstance(node.get("items"), dict):
        found += lint(node["items"], f"{path}[]", nested=nested)
    return found


@each_tool
def test_input_schemas_are_flat_and_closed(tool: Tool[Any]) -> None:
    schema = results.description(tool, Settings(), results.product_icon()).input_schema
    assert lint(schema) == []
    assert schema["additionalProperties"] is False
    assert all(below.get("description") for below in schema["properties"].values())


@each_tool
def test_output_schemas_have_an_object_at_the_root_and_no_reference(tool: Tool[Any]) -> None:
    schema = results.description(tool, Settings(), results.product_icon()).output_schema
    assert schema is not None
    assert lint(schema, nested=True) == []
    assert schema["type"] == "object"


@each_tool
def test_names_descriptions_and_hints_are_within_what_hosts_take(tool: Tool[Any]) -> None:
    shown = results.description(tool, Settings(), results.product_icon())
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,39}", shown.name)
    assert len(f"mcp__atelier__{shown.name}") <= 60
    assert 0 < len(shown.description or "") < 900
    assert shown.title
    hints = shown.annotations
    assert hints is not None
    assert None not in (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
    assert shown.icons
    assert len(json.dumps(shown.model_dump(mode="json", by_alias=True))) < 8_000


def test_the_bounds_of_the_parameters_are_published() -> None:
    properties = results.description(BY_NAME["generate_image"], Settings(), results.product_icon()).input_schema[
        "properties"
    ]
    assert (properties["n"]["minimum"], properties["n"]["maximum"], properties["n"]["default"]) == (1, 10, 1)
    assert (properties["output_compression"]["minimum"], properties["output_compression"]["maximum"]) == (0, 100)
    assert (properties["seed"]["minimum"], properties["seed"]["maximum"]) == (0, 2**32 - 1)
    assert (properties["prompt"]["minLength"], properties["prompt"]["maxLength"]) == (1, 32_000)
    assert properties["background"]["enum"] == ["auto", "opaque", "transparent"]
    assert list(properties) == [
        "prompt", "model", "n", "size", "aspect_ratio", "resolution", "quality", "style", "background",
        "output_format", "output_compression", "negative_prompt", "seed", "options", "save", "deliver_size",
        "deliver_fit", "deliver_max_kb", "confirm_cost", "fallback",
    ]  # fmt: skip


def test_the_instructions_are_short_and_name_only_tools_that_exist() -> None:
    assert len(INSTRUCTIONS.encode()) < 2_048
    assert set(re.findall(r"\b[a-z]+_[a-z]+\b", INSTRUCTIONS)) <= set(BY_NAME)


def test_the_lint_finds_what_it_should() -> None:
    bad = {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "null"}]}, "b": {"type": "array"}, "c": {"$ref": "x"}},
    }
    assert len(lint(bad)) >= 5
