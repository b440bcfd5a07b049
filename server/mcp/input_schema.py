"""A pydantic model -> a JSON schema that every host takes.

Hosts differ in what they choke on: references, unions with null, exclusive bounds, titles on every property. So:
no `$ref`, no `anyOf` with null (optional is being absent from `required`), no default of null, no title noise.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class _Flat(GenerateJsonSchema):
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if "default" in made and made["default"] is None:
            del made["default"]
        return made

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        return {"type": "string", "enum": [str(word) for word in schema["expected"]]}

    def get_title_from_name(self, name: str) -> str:
        return ""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def flat_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a model: what is required comes first, and nested models, if any, stand where they are used."""
    schema = model.model_json_schema(schema_generator=_Flat)
    definitions: dict[str, Any] = schema.pop("$defs", {})
    schema.pop("description", None)  # the docstring speaks to developers; the tool has its own description
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
