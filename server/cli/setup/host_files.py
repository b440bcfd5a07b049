"""Put Atelier's entry into a host's configuration file: JSON with comments, TOML or YAML.

Only the entry changes. Every other character of the file stays, comments included; the result is read again and
compared before it is written.
"""

from __future__ import annotations

import copy
import json
import re
import textwrap
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

import yaml

Format = Literal["json", "toml", "yaml"]
Table = dict[str, Any]

NAME = "atelier"
"""The name of our entry in every host."""

STRING = r'"(?:\\.|[^"\\])*"'
COMMENT = re.compile(rf"({STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
TRAILING_COMMA = re.compile(rf"({STRING})|,(?=\s*[}}\]])", re.DOTALL)


class UnchangedError(Exception):
    """The file cannot be changed without a risk for its other entries. The message says why."""


def parsed(text: str, format: Format) -> Table:
    """Return what a file says. Raises UnchangedError for one that cannot be read."""
    try:
        found: Any = _READERS[format](text) if text.strip() else {}
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise UnchangedError(f"it is no {format.upper()} ({str(error).splitlines()[0][:120]})") from None
    table = as_table(found or {})
    if table is None:
        raise UnchangedError(f"it is no {format.upper()} object")
    return table


def with_entry(text: str, format: Format, place: Sequence[str], entry: Mapping[str, Any]) -> str:
    """Return the text of a file with our entry below `place`, in place of an earlier one. Raises UnchangedError."""
    wanted = copy.deepcopy(parsed(text, format))
    table = wanted
    for key in place:
        inner = as_table(table.get(key) or {})
        if inner is None:
            raise UnchangedError(f"{key} is no object in it")
        table[key] = inner
        table = inner
    table[NAME] = dict(entry)
    changed = _WRITERS[format](text, place, entry)
    if parsed(changed, format) != wanted:
        raise UnchangedError("it has a form that is not changed here")
    return changed


def as_table(value: object) -> Table | None:
    """Return an object of a file; None for any other value."""
    return cast("Table", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[object]:
    """Return a list of a file; an empty one for any other value."""
    return cast("list[object]", value) if isinstance(value, list) else []


def block(format: Format, place: Sequence[str], entry: Mapping[str, Any]) -> str:
    """Return the block that a person would put into an empty file."""
    return with_entry("", format, place, entry).strip()


def _plain_json(text: str) -> str:
    """Return JSON with comments and trailing commas as plain JSON of the same length."""
    blank: Callable[[re.Match[str]], str] = lambda found: found[1] or re.sub(r"[^\n]", " ", found[0])  # noqa: E731
    return TRAILING_COMMA.sub(blank, COMMENT.sub(blank, text))


def _json_with(text: str, place: Sequence[str], entry: Mapping[str, Any]) -> str:
    if not text.strip():
        text = "{}\n"
    plain, start = _plain_json(text), 0
    start = plain.index("{")
    keys, value = [*place, NAME], json.dumps(entry, indent=2, ensure_ascii=False)
    for depth, key in enumerate(keys):
        members = _members(plain, start)
        found = members.get(key)
        is_last = depth == len(keys) - 1
        if found and not is_last and plain[found[0]] == "{":
            start = found[0]
            continue
        for outer in reversed(keys[depth + 1 :] if found is None or not is_last else ()):
            value = f'{{\n  "{outer}": {textwrap.indent(value, "  ").lstrip()}\n}}'
        margin = "  " * (depth + 1)
        value = textwrap.indent(value, margin).lstrip()
        if found:
            return text[: found[0]] + value + text[found[1] :]
        end = f",{_newline_after(text, start)}" if members else f"\n{'  ' * depth}"
        return f'{text[: start + 1]}\n{margin}"{key}": {value}{end}{text[start + 1 :].lstrip(" ")}'
    raise AssertionError("the last key ends the loop")


def _newline_after(text: str, start: int) -> str:
    """Return what goes between our entry and the next: nothing where a line ends already."""
    return "" if text[start + 1 :].lstrip(" \t").startswith(("\n", "\r")) else "\n"


def _members(plain: str, start: int) -> dict[str, tuple[int, int]]:
    """Return where the values of an object in plain JSON begin and end, by their keys."""
    decoder, found, at = json.JSONDecoder(), dict[str, tuple[int, int]](), start + 1
    while True:
        at = _skip(plain, at, ",")
        if plain[at] == "}":
            return found
        key, at = decoder.raw_decode(plain, at)
        at = _skip(plain, at, ":")
        _, end = decoder.raw_decode(plain, at)
        found[str(key)], at = (at, end), end


def _skip(plain: str, at: int, sign: str) -> int:
    while plain[at].isspace() or plain[at] == sign:
        at += 1
    return at


def _toml_with(text: str, place: Sequence[str], entry: Mapping[str, Any]) -> str:
    header = ".".join((*place, NAME))
    own, lines, keeps = re.compile(rf"\s*\[\s*{re.escape(header)}\s*[.\]]"), list[str](), True
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            keeps = not own.match(line)
        if keeps:
            lines.append(line)
    before = "\n".join(lines).rstrip()
    return f"{before}\n\n{_toml(header, entry)}" if before else _toml(header, entry)


def _toml(header: str, entry: Mapping[str, Any]) -> str:
    plain = [f"{key} = {json.dumps(value)}" for key, value in entry.items() if as_table(value) is None]
    tables = [_toml(f"{header}.{key}", table) for key, value in entry.items() if (table := as_table(value)) is not None]
    return "\n".join([f"[{header}]", *plain, "", *tables])


def _yaml_with(text: str, place: Sequence[str], entry: Mapping[str, Any]) -> str:
    (key,) = place
    lines = text.splitlines()
    dumped = yaml.safe_dump({NAME: dict(entry)}, sort_keys=False, allow_unicode=True)
    top = next((n for n, line in enumerate(lines) if re.fullmatch(rf"{re.escape(key)}:\s*(#.*)?", line)), None)
    if top is None:
        return "\n".join([*lines, f"{key}:", textwrap.indent(dumped, "  ")])
    nested = next((line for line in lines[top + 1 :] if line.strip() and not line.lstrip().startswith("#")), "")
    margin = nested[: len(nested) - len(nested.lstrip())] or "  "
    remaining, skips = list[str](), False
    for line in lines[top + 1 :]:
        if line.strip() and not line.startswith(f"{margin} "):
            skips = line.startswith(f"{margin}{NAME}:")
        if not skips:
            remaining.append(line)
    return "\n".join([*lines[: top + 1], textwrap.indent(dumped, margin).rstrip(), *remaining]) + "\n"


_READERS: Mapping[Format, Callable[[str], Any]] = {
    "json": lambda text: json.loads(_plain_json(text)),
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}
_WRITERS: Mapping[Format, Callable[[str, Sequence[str], Mapping[str, Any]], str]] = {
    "json": _json_with,
    "toml": _toml_with,
    "yaml": _yaml_with,
}
