"""What was made, on the command line: a line for each picture, or JSON."""

from __future__ import annotations

import json
import sys

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageResult
from atelier.server.cli.output import UntoldError, say
from atelier.tools.image_answer import format_result, size_of, usd


def announce(result: ImageResult, *, as_json: bool) -> None:
    """Say what was made. Raises storage_failed when it cannot be said, and BrokenPipeError when nobody listens."""
    try:
        _say(result, as_json=as_json)
    except UntoldError as error:
        message = f"What was made cannot be told: {error.strerror}."
        raise ImageError(
            Reason.STORAGE_FAILED, message, hint="The same command tells it without paying again."
        ) from None


def _say(result: ImageResult, *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(format_result(result).data.model_dump(mode="json", exclude_none=True), ensure_ascii=False))
        return
    for warning in result.warnings:
        say(f"Note: {warning}", sys.stderr)
    for kept in result.images:
        if kept.stored:
            say(kept.stored.path or kept.stored.url or kept.stored.id)
        if kept.copy and kept.copy.stored:
            where, copy = kept.copy.stored, kept.copy.picture
            say(f"{where.path or where.url or where.id} (delivered: {copy.width}x{copy.height} {copy.format})")
    made = [f"{k.picture.width}x{k.picture.height} {k.format}, {size_of(len(k.image_bytes))}" for k in result.images]
    cost = f", {usd(result.actual_usd)}" if result.actual_usd is not None else ""
    say(f"{result.provider}/{result.model}: {'; '.join(made)}{cost}")
