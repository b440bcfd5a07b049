"""Make a JSON schema that every host accepts from a pydantic model.

Hosts fail on references, unions with null, exclusive bounds or titles on every property. So the schema has no `$ref`,
no `anyOf` with null (an optional property is absent from `required`), no default of null and no titles.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

UNSHOWN = ("minLength", "maxLength", "maxItems")
"""Bounds that no model comes near, and that the tool checks anyhow."""


class _Flat(GenerateJsonSchema):
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        result = super().default_schema(schema)
        if "default" in result and result["default"] is None:
            del result["default"]
        return result

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        return {"type": "string", "enum": [str(word) for word in schema["expected"]]}

    def get_title_from_name(self, name: str) -> str:
        return ""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def input_schema(model: type[BaseModel], unlisted: Collection[str]) -> dict[str, Any]:
    """Return the schema of a tool's arguments, without those that models do not see.

    Bounds of optional texts and lists are not shown, nor defaults that say nothing: models read schemas in every turn.
    It is open: some hosts refuse an unlisted argument by themselves without naming it, while the tool names it. An
    optional property is `nullable`, without which smolagents demands it (mcpadapt copies the properties and drops
    `required`; seen in mcpadapt pull request 90, 2026-08-10).
    """
    schema = _flat_schema(model)
    del schema["additionalProperties"]
    needed = schema.get("required", [])
    schema["properties"] = {
        name: node if name in needed else {**_brief(node), "nullable": True}
        for name, node in schema["properties"].items()
        if name not in unlisted
    }
    return schema


def _brief(node: dict[str, Any]) -> dict[str, Any]:
    brief = {key: value for key, value in node.items() if key not in UNSHOWN and value not in ([], False)}
    return {**brief, "items": _brief(node["items"])} if "items" in node else brief


def _flat_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a model, required properties first, nested models inlined."""
    schema = model.model_json_schema(schema_generator=_Flat)
    definitions: dict[str, Any] = schema.pop("$defs", {})
    schema.pop("description", None)  # the docstring is for developers; the tool has its own description
    flat = _inlined(schema, definitions)
    needed = flat.get("required", [])
    flat["properties"] = dict(sorted(flat["properties"].items(), key=lambda item: item[0] not in needed))
    return flat


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    members = cast("dict[str, Any]", node)
    if "$ref" in members:
        target = definitions[str(members["$ref"]).rsplit("/", 1)[1]]
        own = {key: value for key, value in members.items() if key != "$ref"}
        members = {**{key: value for key, value in target.items() if key != "description"}, **own}
    members = {key: value for key, value in members.items() if not (key == "title" and isinstance(value, str))}
    return {key: _inlined(value, definitions) for key, value in members.items()}
