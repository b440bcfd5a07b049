"""Reword error messages for a person at a terminal; the library words them for an agent."""

from __future__ import annotations

import re

PHRASES = (
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
    """Return the message with commands in place of tools and parameters."""
    for pattern, command in PHRASES:
        message = re.sub(pattern, command, message)
    return message
