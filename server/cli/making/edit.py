"""`atelier edit`: change an image."""

from __future__ import annotations

from typing import Annotated, Any

import anyio
from cyclopts import Parameter

from atelier.server.cli.making.cost import locate_files
from atelier.server.cli.making.image_call import NOT_OPTIONS, Output, run_image_call
from atelier.server.cli.options import parameters_in, validated, with_options
from atelier.tools import edit_image


def _edit(*, output: Annotated[Output, Parameter(name="*")] = Output(), **given: Any) -> int:  # noqa: B008 - it is frozen
    """Change an image, store the new one, and print where it is."""
    named, folders = locate_files(parameters_in(edit_image.TOOL, given))
    params = validated(edit_image.TOOL, "edit", {**named, **output.arguments})

    return anyio.run(run_image_call, params, edit_image.request_of, folders, output)


edit = with_options(_edit, edit_image.TOOL, ("image", "prompt"), NOT_OPTIONS)
