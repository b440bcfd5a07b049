"""Describe the server and its tools, with JSON schemas that every host accepts.

Hosts fail on references, unions with null, exclusive bounds or titles on every property. So a schema has no `$ref`, no
`anyOf` with null (an optional property is absent from `required`), no default of null and no titles.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

from mcp.types import Icon, ToolAnnotations
from mcp.types import Tool as ToolDescription
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.server.settings import Settings
from atelier.tools import OPTIONAL_TOOLS, TOOLS
from atelier.tools.tool import Tool

UNSHOWN = ("minLength", "maxLength", "maxItems")
"""Bounds that no model comes near, and that the tool checks anyhow."""


def product_icon() -> Icon:
    """Return the product's icon, which hosts show beside the server."""
    png = Path(__file__).with_name("icon.png").read_bytes()
    return Icon(src=f"data:image/png;base64,{b64encode(png).decode()}", mime_type="image/png", sizes=["48x48"])


def tools_of(settings: Settings) -> dict[str, Tool[Any]]:
    """Return the tools to serve, by name: the default ones, or those that the settings name.

    Raises invalid_request for a name that is no tool's.
    """
    known = {tool.name: tool for tool in (*TOOLS, *OPTIONAL_TOOLS)}
    if unknown := [name for name in settings.tools if name not in known]:
        message = f"ATELIER_TOOLS is wrong: no tool is called “{sanitize(unknown[0], 60)}”."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=f"Tools are {', '.join(known)}.")
    return {name: tool for name, tool in known.items() if name in (settings.tools or [tool.name for tool in TOOLS])}


def description(tool: Tool[Any]) -> ToolDescription:
    """Return the description of a tool for `tools/list`.

    It has no output schema: no host reads one, while clients demand a structured part once there is one, also where the
    answer is better without it.
    """
    creates = tool.kind == "creates"
    return ToolDescription(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=input_schema(tool.parameters, tool.unlisted),
        annotations=ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.kind == "reads",
            destructive_hint=tool.kind == "deletes",
            idempotent_hint=not creates,
            open_world_hint=creates,
        ),
    )


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
