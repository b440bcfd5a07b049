"""Options that many commands have."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter

RESULT = Group("Result", sort_key=5)

Json = Annotated[
    bool, Parameter(name="--json", help="Print the facts as JSON: indented in a terminal, else one line.", group=RESULT)
]
"""The option of every command that prints facts."""
