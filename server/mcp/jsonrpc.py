"""Parse text from a client into valid JSON-RPC messages, or into the JSON-RPC errors that answer it."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError, RequestId, jsonrpc_message_adapter
from pydantic import ValidationError
from pydantic_core import from_json

TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
ID_VALUE = re.compile(r'\s*:\s*(?:("[^"\\]*")|(-?[0-9]{1,18})\s*[,}])')
LONE_SURROGATE = re.compile("[\ud800-\udfff]")

Message = str | JSONRPCError
"""JSON of one valid message, or the error that answers an invalid one."""


def repaired(text: str) -> str:
    """Return the same JSON without a BOM, raw control characters and lone surrogates. Raises ValueError for no JSON."""
    text = text.lstrip("\ufeff")
    try:
        from_json(text)
    except ValueError:
        try:
            text = json.dumps(json.loads(text, strict=False), ensure_ascii=False)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        text = LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
        from_json(text)
    return text


def message_of(text: str) -> Message:
    """Return the one message of a text.

    An error has the id of the message wherever that can be read; without it the client would wait for ever.
    """
    try:
        text = repaired(text)
    except ValueError:
        return _refused(PARSE_ERROR, "Parse error: the message is not valid JSON.", _id_in(text))
    value = from_json(text)
    message = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    if changed := _with_usual_types(message):
        message, text = changed, json.dumps(changed)
    id = _valid_id(message.get("id"))
    try:
        jsonrpc_message_adapter.validate_python(message, by_name=False)
    except ValidationError:
        valid = False
    else:
        valid = (
            id is not None or not {"id", "method"} <= message.keys()
        )  # a notification has no id; a null id is invalid
    if valid:
        return text
    return _refused(INVALID_REQUEST, "Invalid request: the message is not a JSON-RPC 2.0 request.", id)


def messages_of(line: str) -> list[Message]:
    """Return the messages of a line: none of a blank line, several of a batch, else one."""
    if not line.strip("\ufeff \t\r\n"):
        return []
    try:
        value = from_json(repaired(line))
    except ValueError:
        value = _several_in(line)
    batch = cast("list[Any]", value) if isinstance(value, list) else []
    return [message_of(json.dumps(each)) for each in batch] or [message_of(line)]


def _several_in(line: str) -> list[Any]:
    """Return the values of a line in which a client left out line breaks; none if a part of it is no JSON."""
    decoder, values, rest = json.JSONDecoder(strict=False), list[Any](), line.strip("\ufeff \t\r\n")
    try:
        while rest:
            value, end = decoder.raw_decode(rest)
            values.append(value)
            rest = rest[end:].lstrip()
    except (ValueError, RecursionError):
        return []
    return values


def _with_usual_types(message: dict[str, Any]) -> dict[str, Any] | None:
    """Return a message whose types some clients change, as the protocol has them; None if it needs no change.

    Gson writes an id as 1.0, PHP an empty object as a list, and some hosts a model's arguments as a text of JSON.
    """
    id, params = message.get("id"), message.get("params")
    changed = {**message, "id": int(id)} if isinstance(id, float) and id.is_integer() else None
    arguments = cast("dict[str, Any]", params).get("arguments") if isinstance(params, dict) else None
    if message.get("method") != "tools/call" or not isinstance(arguments, str | list):
        return changed
    try:
        meant = from_json(arguments or "{}") if isinstance(arguments, str) else cast("Any", arguments or {})
    except ValueError:
        return changed
    return {**(changed or message), "params": {**cast("dict[str, Any]", params), "arguments": meant}}


def _refused(code: int, message: str, id: RequestId | None) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=id, error=ErrorData(code=code, message=message))


def _id_in(text: str) -> RequestId | None:
    """Return the id at the top level of text that is not valid JSON, such as half a line."""
    depth = 0
    for token in TOKEN.finditer(text):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
        elif depth == 1 and token[0] == '"id"' and (value := ID_VALUE.match(text, token.end())):
            return _valid_id(json.loads(value[1] or value[2], strict=False))
    return None


def _valid_id(id: object) -> RequestId | None:
    return id if isinstance(id, str | int) and not isinstance(id, bool) else None
