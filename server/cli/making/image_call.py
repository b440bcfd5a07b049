"""Make the images of `generate` and `edit`: ask about the cost, show the progress, print the result."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.providers.pipeline.fallback import check_fallback_names
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.styles.library import FoundStyle, Styles
from atelier.server.cli.making.result_lines import announce, open_images, show_images
from atelier.server.cli.terminal.messages import for_person, usage_errors
from atelier.server.cli.terminal.output import say
from atelier.server.cli.terminal.progress import shown_progress
from atelier.server.cli.terminal.shared_options import Output
from atelier.server.composition import pipeline_of, storage_of, styles_of
from atelier.server.idempotency_key import parse_idempotency_key
from atelier.server.settings import Settings
from atelier.server.shutdown import interruptible
from atelier.server.storage.output_files import OutputFolders
from atelier.tools.image_call import fallback_of
from atelier.tools.parameters.tool_parameters import ImageParameters

INTERRUPTED = (
    "Stopping. Sent requests finish and are stored; the same command collects them. Ctrl-C again ends at once."
)


ParametersT = TypeVar("ParametersT", bound=ImageParameters)

RequestOf = Callable[[ParametersT, FoundStyle | None, Styles, Pipeline], Awaitable[ImageRequest]]
"""Builds the request of a tool's parameters, in the style that they name."""


async def run_image_call(
    params: ParametersT,
    request_of: RequestOf[ParametersT],
    folders: tuple[Path, ...],
    output: Output,
) -> int:
    """Make the images, until they are done or the person interrupts; return the exit code."""
    settings = Settings.load(lambda sentence: say(sentence, sys.stderr))
    draw = partial(_make_images, params, request_of, folders, output, settings)
    return await interruptible(draw, lambda: say(INTERRUPTED, sys.stderr))


async def _make_images(
    params: ParametersT,
    request_of: RequestOf[ParametersT],
    folders: tuple[Path, ...],
    output: Output,
    settings: Settings,
) -> int:
    with usage_errors():
        key = parse_idempotency_key(output.idempotency_key, "--idempotency-key")
    pipeline = pipeline_of(settings, storage_of(settings), folders=folders)
    async with ImageService(pipeline, wait=None, fallback=settings.fallback) as service:
        styles = styles_of(settings)
        request = await request_of(params, await styles().find(params.style), styles, pipeline)
        fallback = fallback_of(params)
        with usage_errors():
            pipeline.admit(request)
            check_fallback_names(pipeline.catalog, fallback or (), request.operation)
        folder = OutputFolders(overwrite_hint="add --overwrite")
        if params.output_path:
            await folder.check(params.output_path, overwrite=output.overwrite)
        notice = pipeline.catalog.resolve(request.model, request.operation, request.origin).notice
        if notice and not output.json:
            say(for_person(notice))  # first, before the request is sent
        async with shown_progress(params.n) as (on_progress, ask):
            result = await service.submit(
                request,
                caller=settings.customer_id,
                fallback=fallback,
                key=key,
                on_progress=on_progress,
                confirm=_always if params.confirm_cost else ask,
            )
        assert isinstance(result, ImageResult), "no wait limit is set"
        announce(result, as_json=output.json)
        if not (output.json or output.no_preview):
            show_images(result.images)
        if params.output_path:
            for path in await folder.write(params.output_path, result.images, overwrite=output.overwrite):
                say(f"Written to {path}", sys.stderr)
        if output.open:
            open_images(result.images)
        service.mark_delivered(result.id)
    return 0 if all(image.stored for image in result.images) else 1


async def _always(question: str) -> bool:
    """Return True: --confirm-cost was given."""
    return True
