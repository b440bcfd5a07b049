"""`atelier edit`: change an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from atelier.server.cli.making.cost import locate_files
from atelier.server.cli.making.image_call import run_image_call
from atelier.server.cli.options import parameters_in, validated
from atelier.server.cli.signatures.output import Output
from atelier.tools import edit_image


def edit(*, output: Output, given: Mapping[str, Any]) -> int:
    """Change an image, store the new one, and print where it is."""
    named, folders = locate_files(parameters_in(edit_image.TOOL, given))
    params = validated(edit_image.TOOL, "edit", {**named, **output.arguments})

    return anyio.run(run_image_call, params, edit_image.request_of, folders, output)
