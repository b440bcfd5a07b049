"""The signatures of the commands that have a tool's parameters: `generate`, `edit`, `cost` and `models`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from atelier.server.cli.signatures.defaults import DAYS_LEFT
from atelier.server.cli.signatures.options import with_options
from atelier.server.cli.terminal.shared_options import NOT_OPTIONS, RESULT, Json, Output
from atelier.tools.parameters.tool_parameters import EditImage, EstimateCost, GenerateImage, ListModels

BATCH = Group("Several prompts", sort_key=6)


def _generate(
    *,
    batch: Annotated[
        str | None,
        Parameter(
            group=BATCH,
            metavar="FILE",
            help="A prompt per line, or (.jsonl) a JSON object per line with prompt and options. The same command goes "
            "on where it ended, and pays for nothing twice within a day.",
        ),
    ] = None,
    budget: Annotated[
        Decimal | None,
        Parameter(
            group=BATCH,
            metavar="USD",
            validator=Number(gte=0),
            help="Send nothing if the batch may cost more than this.",
        ),
    ] = None,
    output: Annotated[Output, Parameter(name="*")] = Output(),  # noqa: B008 - it is frozen
    **given: Any,
) -> int:
    """Make images from a prompt, store them, and print where they are."""
    from atelier.server.cli.making.generate import generate as run

    return run(batch=batch, budget=budget, output=output, given=given)


def _edit(*, output: Annotated[Output, Parameter(name="*")] = Output(), **given: Any) -> int:  # noqa: B008 - it is frozen
    """Change an image, store the new one, and print where it is."""
    from atelier.server.cli.making.generate import edit as run

    return run(output=output, given=given)


def _cost(*, json: Json = False, **given: Any) -> int:
    """Print what an image would cost, without making it."""
    from atelier.server.cli.making.cost import cost as run

    return run(json=json, given=given)


def _models(
    *,
    everything: Annotated[
        bool, Parameter(name="--all", group=RESULT, help="Also those of vendors that are not set up, and retired ones.")
    ] = False,
    json: Json = False,
    as_markdown: Annotated[
        bool, Parameter(name="--markdown", group=RESULT, help="The table of the documentation.")
    ] = False,
    checks: Annotated[
        bool,
        Parameter(
            name="--check",
            group=RESULT,
            help=f"Exit with 1 when a default is deprecated or ends within {DAYS_LEFT} days, or a vendor's list "
            "differs.",
        ),
    ] = False,
    **given: Any,
) -> int:
    """List the models that can be used now with what each can do, or check when they end."""
    from atelier.server.cli.making.models import models as run

    return run(everything=everything, json=json, as_markdown=as_markdown, checks=checks, given=given)


generate = with_options(_generate, "generate_image", GenerateImage, ("prompt",), NOT_OPTIONS, optional=("prompt",))
edit = with_options(_edit, "edit_image", EditImage, ("image", "prompt"), NOT_OPTIONS)
cost = with_options(_cost, "estimate_cost", EstimateCost, ("prompt",), NOT_OPTIONS)
models = with_options(_models, "list_models", ListModels, (), ())
