"""Reword error messages for a person at a terminal; the library words them for an agent."""

from __future__ import annotations

import re

PHRASES = (
    (r"\bOffer something cheaper: ", "For something cheaper: "),
    (r"; show the user the path or link\.", "."),
    (r"Ask the user; when they agree, call again with confirm_cost=true\.", "Run it again with --confirm-cost."),
    (r"\bthe user must confirm\b", "you must confirm"),
    (r"\bthe user declined\b", "you declined"),
    (r"\bestimate_cost with compare=true\b", "`atelier cost PROMPT --compare`"),
    (r"\bThe same call, or get_image with \w+, collects\b", "The same command collects"),
    (r"\bthe same call, or get_image with \w+, collects\b", "the same command collects"),
    (r"\bCall get_image with list=true\b", "Run `atelier jobs`"),
    (r"\bget_image with list=true\b", "`atelier jobs`"),
    (r"\bCall list_models\b", "Run `atelier models`"),
    (r"\blist_models\b", "`atelier models`"),
    (r"\bcall again\b", "run it again"),
    (r"\b[Tt]he same call\b", "the same command"),
)
"""Pattern in a message for an agent -> the same for the command line."""


def for_person(message: str) -> str:
    """Return the message with commands in place of tools, and options in place of parameters."""
    for pattern, command in PHRASES:
        message = re.sub(pattern, command, message)
    return with_flags(message)


def with_flags(text: str) -> str:
    """Return the text with `--output-format` in place of “output_format”, and of output_format without quotes."""
    from atelier.tools import edit_image, generate_image  # other commands need none of it

    names = {*generate_image.TOOL.parameters.model_fields, *edit_image.TOOL.parameters.model_fields}
    text = re.sub(r"“([a-z_]+)”|`([a-z_]+)`|\b([a-z]+(?:_[a-z]+)+)\b", lambda found: _flag(found, names), text)
    return re.sub(r"(?<=[.] )([a-z_]+)(?=: [A-Z])", lambda found: _flag(found, names), text)


def _flag(found: re.Match[str], names: set[str]) -> str:
    name = found[found.lastindex or 0]
    if name not in names:
        return found[0]
    return {"prompt": "PROMPT", "image": "IMAGE", "output_path": "--output"}.get(name) or f"--{name.replace('_', '-')}"
