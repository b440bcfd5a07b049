"""Options that several commands have, and those of `generate` and `edit` for what becomes of the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Group, Parameter

from atelier.server.cli.terminal.output import UsageError

STDIN = "\0"
"""What a lone `-` is replaced with before the parser sees it, which would take it for an option."""

RESULT = Group("Result", sort_key=5)

Json = Annotated[
    bool, Parameter(name="--json", help="Print the facts as JSON: indented in a terminal, else one line.", group=RESULT)
]
"""The option of every command that prints facts."""

NOT_OPTIONS = ("save", "deliver", "output_path", "models")
"""Parameters that are not options: an image that is not stored is of no use here, and `Output` has --output."""


@dataclass(frozen=True, slots=True)
class Output:
    """What `generate` and `edit` do with the images besides storing them."""

    output: Annotated[
        str | None,
        Parameter(
            group=RESULT, alias="-o", metavar="FILE|FOLDER/", help="Also write the image to this file or folder."
        ),
    ] = None
    overwrite: Annotated[bool, Parameter(group=RESULT, help="Let --output replace a file that exists.")] = False
    open: Annotated[bool, Parameter(group=RESULT, help="Open the image when it is there.")] = False
    no_preview: Annotated[bool, Parameter(group=RESULT, help="Do not show the image in the terminal.")] = False
    json: Json = False
    idempotency_key: Annotated[
        tuple[str, ...],
        Parameter(
            group=RESULT,
            metavar="KEY",
            help="For scripts that may run twice: the same key within a day is the same call, paid for once.",
        ),
    ] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The tool's arguments for --output and --overwrite. Raises UsageError for a dash."""
        if self.output == STDIN:  # a dash
            raise UsageError("--output names a file or a folder; an image is not written to standard output.")
        path = {"output_path": self.output} if self.output is not None else {}
        return {**path, **({"deliver": "overwrite"} if self.overwrite else {})}
