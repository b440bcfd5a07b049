"""Options that many commands have."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter

STDIN = "\0"
"""What a lone `-` is replaced with before the parser sees it, which would take it for an option."""

RESULT = Group("Result", sort_key=5)

Json = Annotated[
    bool, Parameter(name="--json", help="Print the facts as JSON: indented in a terminal, else one line.", group=RESULT)
]
"""The option of every command that prints facts."""
