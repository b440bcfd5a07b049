"""The vendors, and the library for programs that make images without a server. See docs/library.md.

from atelier.providers import generate

result = await generate("a lighthouse at dusk", model="openai", size="1024x1024")
result.image_bytes

Every call has a twin for programs without an event loop (`generate_sync`). `ImageService` keeps connections and limits
over several calls. A name is loaded when it is first used, so that importing a module below loads nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atelier.providers.core.errors import ImageError, Reason
    from atelier.providers.core.results import ImageResult, ResultImage
    from atelier.providers.jobs.image_calls import ImageInput, ImageOptions
    from atelier.providers.jobs.service import ImageService
    from atelier.providers.library import (
        edit,
        edit_sync,
        estimate,
        estimate_sync,
        generate,
        generate_sync,
        prepare,
        prepare_sync,
        upscale,
        upscale_sync,
        vary,
        vary_sync,
    )

__all__ = [
    "ImageError",
    "ImageInput",
    "ImageOptions",
    "ImageResult",
    "ImageService",
    "Reason",
    "ResultImage",
    "edit",
    "edit_sync",
    "estimate",
    "estimate_sync",
    "generate",
    "generate_sync",
    "prepare",
    "prepare_sync",
    "upscale",
    "upscale_sync",
    "vary",
    "vary_sync",
]

HOMES = {
    "core.errors": ("ImageError", "Reason"),
    "core.results": ("ImageResult", "ResultImage"),
    "jobs.image_calls": ("ImageInput", "ImageOptions"),
    "jobs.service": ("ImageService",),
}
"""Module -> the names that it has; all others are in `library`."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in HOMES.items() if name in names), "library")
    return getattr(import_module(f"{__name__}.{home}"), name)
