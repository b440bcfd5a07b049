"""`atelier generate` and `atelier edit`: make or change an image, store it, and print where it is."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from atelier.server.cli.making.batch import make_batch, read_lines
from atelier.server.cli.making.cost import locate_files
from atelier.server.cli.making.image_call import INTERRUPTED, run_image_call
from atelier.server.cli.signatures.options import parameters_in, validated
from atelier.server.cli.terminal.output import UsageError, say
from atelier.server.cli.terminal.shared_options import Output
from atelier.server.settings import Settings
from atelier.server.shutdown import interruptible
from atelier.tools import edit_image, generate_image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def generate(*, batch: str | None, budget: Decimal | None, output: Output, given: Mapping[str, Any]) -> int:
    """Make images from a prompt, store them, and print where they are."""
    arguments = parameters_in(generate_image.TOOL, given)
    if batch is not None and "prompt" in arguments:
        raise UsageError("Give a prompt or --batch FILE, not both.")
    if batch is None and "prompt" not in arguments:
        raise UsageError("Give a prompt, a dash (-) to read it from standard input, or --batch FILE.")
    if batch is not None:
        return _make_batch(batch, budget, arguments, output)
    if budget is not None:
        raise UsageError("--budget is for --batch; ATELIER_BUDGET_PER_CALL limits a single call.")
    params = validated(generate_image.TOOL, "generate", {**arguments, **output.arguments})
    return anyio.run(run_image_call, params, generate_image.request_of, (), output)


def _make_batch(batch: str, budget: Decimal | None, arguments: dict[str, Any], output: Output) -> int:
    if output.output and Path(output.output).suffix.lower() in IMAGE_SUFFIXES and not Path(output.output).is_dir():
        raise UsageError("With --batch, --output names a folder, not a file.")
    lines = read_lines(batch, arguments, " ".join(output.idempotency_key))
    settings = Settings.load(lambda sentence: say(sentence, sys.stderr))
    folder = f"{output.output.rstrip('/')}/" if output.output else None
    make = partial(make_batch, lines, settings, folder, budget, as_json=output.json)
    return anyio.run(interruptible, make, lambda: say(INTERRUPTED, sys.stderr))


def edit(*, output: Output, given: Mapping[str, Any]) -> int:
    """Change an image, store the new one, and print where it is."""
    named, folders = locate_files(parameters_in(edit_image.TOOL, given))
    params = validated(edit_image.TOOL, "edit", {**named, **output.arguments})
    return anyio.run(run_image_call, params, edit_image.request_of, folders, output)
