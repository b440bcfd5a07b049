"""Make the images of `generate` and `edit`: ask about the cost, show the progress, print the result."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio

from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.providers.styles.library import StyleLibrary
from atelier.server.cli.output import CLEAR, progress_line, say
from atelier.server.cli.result_lines import announce
from atelier.server.composition import pipeline_of, storage_of, styles_of
from atelier.server.idempotency import parse_idempotency_key
from atelier.server.mcp.progress import progress
from atelier.server.settings import Settings
from atelier.server.shutdown import interruptible
from atelier.server.storage.output_files import OutputFolders
from atelier.tools.image_call import ImageParameters, fallback_of

INTERRUPTED = (
    "Stopping. Sent requests finish and are stored; the same command collects them. Ctrl-C again ends at once."
)


async def run_image_call(
    params: ImageParameters,
    request_of: Callable[[ImageService, StyleLibrary], Awaitable[ImageRequest]],
    folders: tuple[Path, ...],
    options: argparse.Namespace,
) -> int:
    """Make the images, until they are done or the person interrupts; return the exit code."""
    settings = Settings.load(lambda sentence: say(sentence, sys.stderr))
    draw = partial(_make_images, params, request_of, folders, options, settings)
    return await interruptible(draw, lambda: say(INTERRUPTED, sys.stderr))


async def _make_images(
    params: ImageParameters,
    request_of: Callable[[ImageService, StyleLibrary], Awaitable[ImageRequest]],
    folders: tuple[Path, ...],
    options: argparse.Namespace,
    settings: Settings,
) -> int:
    key = parse_idempotency_key(options.idempotency_key, "--idempotency-key")
    pipeline = pipeline_of(settings, storage_of(settings), folders=folders)
    async with ImageService(pipeline, wait=None, fallback=settings.fallback) as service:
        request = await request_of(service, styles_of(settings))
        output, overwrite = OutputFolders(overwrite_hint="add --overwrite"), params.deliver == "overwrite"
        if params.output_path:
            await output.check(params.output_path, overwrite=overwrite)
        notice = pipeline.catalog.resolve(request.model, request.operation, request.origin).notice
        if notice and not options.json:
            say(notice)  # first, before the request is sent
        confirm = _always if params.confirm_cost else _ask if sys.stdin.isatty() and sys.stderr.isatty() else None
        async with progress(progress_line, interval=1 if sys.stderr.isatty() else 10) as on_progress:
            result = await service.submit(
                request,
                caller=settings.customer_id,
                fallback=fallback_of(params),
                key=key,
                on_progress=on_progress,
                confirm=confirm,
            )
        if sys.stderr.isatty():
            sys.stderr.write(CLEAR)
        assert isinstance(result, ImageResult), "no wait limit is set"
        announce(result, as_json=options.json)
        if params.output_path:
            for path in await output.write(params.output_path, result.images, overwrite=overwrite):
                say(f"Written to {path}", sys.stderr)
        service.mark_delivered(result.id)
    return 0 if all(image.stored for image in result.images) else 1


async def _always(question: str) -> bool:
    """Return True: --confirm-cost was given."""
    return True


async def _ask(question: str) -> bool:
    """Ask the person at the terminal."""
    sys.stderr.write(f"{CLEAR}{question} [y/N] ")
    sys.stderr.flush()
    return (await anyio.to_thread.run_sync(sys.stdin.readline)).strip().lower() in ("y", "yes")
