"""One call each, over a service that lives as long as the call, and the twins for programs without an event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar, Unpack

import anyio

from atelier.providers.core.results import ImageResult
from atelier.providers.jobs.image_calls import ImageInput, ImageOptions
from atelier.providers.jobs.service import ImageService
from atelier.providers.pricing.estimate import Estimate
from atelier.providers.transport.network.http_client import OwnTransport, httpx

P = ParamSpec("P")
T = TypeVar("T")

Environ = Mapping[str, str] | None
"""Variables with the keys and the budget; None is the environment of the process."""


async def generate(
    prompt: str, *, environ: Environ = None, transport: OwnTransport | None = None, **options: Unpack[ImageOptions]
) -> ImageResult:
    """Make images from a prompt and return them in memory; nothing is stored."""
    async with ImageService.from_environ(environ, transport=transport) as service:
        return await service.generate(prompt, **options)


async def edit(
    image: ImageInput | Sequence[ImageInput],
    prompt: str = "",
    *,
    mask: ImageInput | None = None,
    operation: str | None = None,
    environ: Environ = None,
    transport: OwnTransport | None = None,
    **options: Unpack[ImageOptions],
) -> ImageResult:
    """Change an image; see `ImageService.edit`."""
    async with ImageService.from_environ(environ, transport=transport) as service:
        return await service.edit(image, prompt, mask=mask, operation=operation, **options)


async def vary(
    image: ImageInput,
    prompt: str = "",
    *,
    environ: Environ = None,
    transport: OwnTransport | None = None,
    **options: Unpack[ImageOptions],
) -> ImageResult:
    """Make variations of an image."""
    async with ImageService.from_environ(environ, transport=transport) as service:
        return await service.vary(image, prompt, **options)


async def upscale(
    image: ImageInput,
    prompt: str = "",
    *,
    environ: Environ = None,
    transport: OwnTransport | None = None,
    **options: Unpack[ImageOptions],
) -> ImageResult:
    """Make an image larger."""
    async with ImageService.from_environ(environ, transport=transport) as service:
        return await service.upscale(image, prompt, **options)


async def estimate(
    prompt: str = "",
    *,
    image: ImageInput | Sequence[ImageInput] = (),
    mask: ImageInput | None = None,
    operation: str | None = None,
    environ: Environ = None,
    **options: Unpack[ImageOptions],
) -> Estimate | None:
    """Return the price of a call without making it; None where no price is known."""
    async with ImageService.from_environ(environ) as service:
        return await service.estimate(prompt, image=image, mask=mask, operation=operation, **options)


async def prepare(
    prompt: str = "",
    *,
    image: ImageInput | Sequence[ImageInput] = (),
    mask: ImageInput | None = None,
    operation: str | None = None,
    environ: Environ = None,
    **options: Unpack[ImageOptions],
) -> httpx.Request:
    """Return the first request that a call would send. It has no key, and needs none."""
    async with ImageService.from_environ(environ) as service:
        return await service.prepare(prompt, image=image, mask=mask, operation=operation, **options)


def sync_twin(call: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Return the call for a program without an event loop. Raises RuntimeError inside of one."""

    @wraps(call)
    def twin(*args: P.args, **kwargs: P.kwargs) -> T:
        return anyio.run(partial(call, *args, **kwargs))

    return twin


generate_sync = sync_twin(generate)
edit_sync = sync_twin(edit)
vary_sync = sync_twin(vary)
upscale_sync = sync_twin(upscale)
estimate_sync = sync_twin(estimate)
prepare_sync = sync_twin(prepare)
