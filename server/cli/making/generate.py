"""`atelier generate`: make images from a prompt."""

from __future__ import annotations

from typing import Annotated, Any

import anyio
from cyclopts import Parameter

from atelier.server.cli.making.image_call import NOT_OPTIONS, Output, run_image_call
from atelier.server.cli.options import parameters_in, with_options
from atelier.tools import generate_image
from atelier.tools.parameters.arguments import parameters_of


def _generate(*, output: Annotated[Output, Parameter(name="*")] = Output(), **given: Any) -> int:  # noqa: B008 - it is frozen
    """Make images from a prompt, store them, and print where they are."""
    params = parameters_of(generate_image.TOOL, {**parameters_in(generate_image.TOOL, given), **output.arguments})

    return anyio.run(run_image_call, params, generate_image.request_of, (), output)


generate = with_options(_generate, generate_image.TOOL, ("prompt",), NOT_OPTIONS)
