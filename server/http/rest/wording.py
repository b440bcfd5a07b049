"""Reword messages for programs that call over HTTP; the library words them for an agent with tools."""

from __future__ import annotations

import re

PHRASES = (
    (r"Ask the user; when they agree, call again with confirm_cost=true\.", "To pay it, send confirm_cost true."),
    (r"\bestimate_cost with compare=true prices\b", "POST /image/estimate with compare prices"),
    (r"\bThe same call, or get_image with (\w+), collects\b", r"The same request, or GET /image/\1, collects"),
    (r"\bthe same call, or get_image with (\w+), collects\b", r"the same request, or GET /image/\1, collects"),
    (r"\bCall get_image with list=true for those that there are\.", "Give the id of an image of your own."),
    (r"\bget_image with list=true shows them\b", "GET /image/last shows the newest"),
    (r"\bCall list_models\b", "Ask GET /image/models"),
    (r"\blist_models\b", "GET /image/models"),
    (r"\bedit_image\b", "POST /image/edit"),
    (r"\bLeave out save=false\b", "Leave out save_to_db=false"),
)
"""Pattern in a message for an agent -> the same for a program."""


def for_program(message: str) -> str:
    """Return the message with addresses in place of tools."""
    for pattern, words in PHRASES:
        message = re.sub(pattern, words, message)
    return message
