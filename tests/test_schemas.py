"""Every tool's schemas pass every host: the narrowest rules of each, in one lint."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from atelier.server.mcp import descriptions
from atelier.server.mcp.guidance.instructions import instructions
from atelier.tools import OPTIONAL_TOOLS, TOOLS
from atelier.tools.tool import Tool

FORBIDDEN = {
    "anyOf", "oneOf", "allOf", "not", "$ref", "$defs", "definitions", "const", "exclusiveMinimum",
    "exclusiveMaximum", "patternProperties", "prefixItems", "if", "then", "else", "dependentRequired",
    "dependentSchemas", "unevaluatedProperties",
}  # fmt: skip
BY_NAME = {tool.name: tool for tool in TOOLS}
each_tool = pytest.mark.parametrize("tool", [*TOOLS, *OPTIONAL_TOOLS], ids=lambda tool: tool.name)


def lint(node: Any, path: str = "$") -> list[str]:
    """What a schema has that some host chokes on."""
    found = [f"{path}: {key}" for key in node if key in FORBIDDEN]
    kind = node.get("type")
    if not isinstance(kind, str):
        found.append(f"{path}: type is {kind!r}")
    if kind == "array" and not isinstance(node.get("items"), dict):
        found.append(f"{path}: array without items")
    if "enum" in node and (kind != "string" or not all(isinstance(word, str) and word for word in node["enum"])):
        found.append(f"{path}: enum must be words")
    if kind == "object" and path != "$":
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
        found += lint(below, f"{path}.{name}")
    if isinstance(node.get("items"), dict):
        found += lint(node["items"], f"{path}[]")
    return found


@each_tool
def test_input_schemas_are_flat_and_open(tool: Tool[Any]) -> None:
    schema = descriptions.description(tool).input_schema
    assert lint(schema) == []
    assert "additionalProperties" not in schema, "hosts would refuse an argument without naming it; the tool names it"
    assert all(below.get("description") for below in schema["properties"].values())
    needed = schema.get("required", [])
    assert all((name in needed) != below.get("nullable", False) for name, below in schema["properties"].items())


@each_tool
def test_names_descriptions_and_hints_are_within_what_hosts_take(tool: Tool[Any]) -> None:
    shown = descriptions.description(tool)
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,39}", shown.name)
    assert len(f"mcp__atelier__{shown.name}") <= 60
    assert 0 < len(shown.description or "") < 900
    assert shown.title
    hints = shown.annotations
    assert hints is not None
    assert None not in (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
    assert hints.destructive_hint == (tool.kind == "deletes")
    assert not shown.icons
    assert shown.output_schema is None
    assert len(json.dumps(shown.model_dump(mode="json", by_alias=True))) < 6_000


def size(*parts: Any) -> int:
    """The bytes of the parts as JSON on the wire."""
    return sum(len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode()) for part in parts)


def test_what_a_model_reads_in_every_turn_is_small() -> None:
    shown = [descriptions.description(tool) for tool in TOOLS]
    assert len(shown) == 5
    assert sum(size(tool.name, tool.description, tool.input_schema) for tool in shown) < 9_900
    whole = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in shown]
    assert size(whole) + size(descriptions.product_icon().model_dump(mode="json")) < 13_000


def test_the_bounds_of_the_parameters_are_published() -> None:
    properties = descriptions.description(BY_NAME["generate_image"]).input_schema["properties"]
    assert (properties["n"]["minimum"], properties["n"]["maximum"], properties["n"]["default"]) == (1, 10, 1)
    assert (properties["prompt"]["minLength"], properties["prompt"]["maxLength"]) == (1, 32_000)
    assert properties["background"]["enum"] == ["auto", "opaque", "transparent"]
    assert list(properties) == [
        "prompt", "model", "n", "size", "aspect_ratio", "resolution", "quality", "style", "background",
        "output_format", "options", "deliver", "output_path", "confirm_cost", "models",
    ]  # fmt: skip


@each_tool
def test_what_a_model_does_not_see_is_named_where_it_sees_it_or_said_otherwise(tool: Tool[Any]) -> None:
    schema = descriptions.description(tool).input_schema["properties"]
    words = " ".join(str(below["description"]) for below in schema.values())
    hidden = tool.parameters.model_fields.keys() - schema.keys()
    assert hidden == tool.unlisted & tool.parameters.model_fields.keys()
    if tool.kind == "creates":
        older = {"save", "deliver_size", "deliver_fit", "deliver_max_kb"}
        assert [name for name in hidden - older if name not in words] == []


def test_the_instructions_are_short_and_name_only_tools_that_exist() -> None:
    for text in (instructions(lambda name: False), instructions(lambda name: True)):
        assert len(text.encode()) < 2_048
        assert set(re.findall(r"\b[a-z]+_[a-z]+\b", text)) <= set(BY_NAME)


def test_the_lint_finds_what_it_should() -> None:
    bad = {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "null"}]}, "b": {"type": "array"}, "c": {"$ref": "x"}},
    }
    assert len(lint(bad)) >= 5
