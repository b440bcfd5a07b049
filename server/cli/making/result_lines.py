"""Print a result: a line for each image, or JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult, ResultImage
from atelier.server.cli.terminal.images import open_in_browser, shown
from atelier.server.cli.terminal.messages import for_person
from atelier.server.cli.terminal.output import UnwritableStreamError, say, say_json
from atelier.tools.image_answer import format_result, size_of, usd

PREVIEW_COLUMNS = 40  # of the terminal


def announce(result: ImageResult, *, as_json: bool) -> None:
    """Print the result. Raises storage_failed when stdout cannot be written, BrokenPipeError when it was closed."""
    try:
        _say(result, as_json=as_json)
    except UnwritableStreamError as error:
        message = f"The result cannot be printed: {error.strerror}."
        raise ImageError(
            Reason.STORAGE_FAILED, message, hint="The same command prints it without paying again."
        ) from None


def facts_of(result: ImageResult) -> dict[str, Any]:
    """Return the result as JSON data."""
    facts = format_result(result).data.model_dump(mode="json", exclude_none=True)
    return {**facts, "summary": for_person(facts["summary"])}


def show_images(images: Sequence[ResultImage]) -> None:
    """Show the images in a terminal that can."""
    for image in images:
        if picture := shown(image.image_bytes, PREVIEW_COLUMNS):
            say(picture)


def open_images(images: Sequence[ResultImage]) -> None:
    """Open the stored images with the system's program for them."""
    for stored in (image.stored for image in images if image.stored):
        if address := stored.url or (stored.path and Path(stored.path).as_uri()):
            open_in_browser(address)


def _say(result: ImageResult, *, as_json: bool) -> None:
    if as_json:
        say_json(facts_of(result))
        return
    for warning in result.warnings:
        say(f"Note: {warning}", sys.stderr)
    for image in result.images:
        if image.stored:
            say(image.stored.path or image.stored.url or image.stored.id)
        if image.copy and image.copy.stored:
            where, copy = image.copy.stored, image.copy.picture
            say(f"{where.path or where.url or where.id} (delivered: {copy.width}x{copy.height} {copy.format})")
    made = [f"{k.picture.width}x{k.picture.height} {k.format}, {size_of(len(k.image_bytes))}" for k in result.images]
    cost = f", {usd(result.actual_usd)}" if result.actual_usd is not None else ""
    say(f"{result.provider}/{result.model}: {'; '.join(made)}{cost}")
