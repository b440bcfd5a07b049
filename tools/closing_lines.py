"""The line at the end of an answer: where its images are, and what a model may say of what is attached."""

from __future__ import annotations

from collections.abc import Sequence

from atelier.providers.core.results import ResultImage

PREVIEW_ATTACHED = "Only a small preview is attached; if you cannot see it, do not describe it."
NO_PREVIEW = "No preview is attached: do not describe the image."

_CLOSINGS = {
    "stored": (
        f"Show the user the path or link. {PREVIEW_ATTACHED}",
        "show the user the path or link",
    ),
    "both": (
        "Show the user the path or link. What is attached is the full size.",
        "show the user the path or link; the full size is attached",
    ),
    "inline": (
        "What is attached is the full size; it was not stored.",
        "attached to this answer, not stored",
    ),
    "preview only": (
        "The full image is too large to attach and could not be stored; only its preview is attached.",
        "not stored and too large to attach",
    ),
}
"""Where the images are -> the closing line of the text, and the same for the summary."""


def closing_lines(images: Sequence[ResultImage], inline_limit: int, *, whole: bool) -> tuple[str, str]:
    """Return the closing line of the text, and the words for the summary. `whole`: stored ones are attached."""
    if all(image.stored for image in images):
        return _CLOSINGS["both" if whole else "stored"]
    return _CLOSINGS["inline" if is_inline(images, inline_limit) else "preview only"]


def is_inline(images: Sequence[ResultImage], inline_limit: int) -> bool:
    """Return whether the images that are not stored fit into the answer in full size."""
    return bytes_of([image for image in images if image.stored is None]) <= inline_limit


def bytes_of(images: Sequence[ResultImage]) -> int:
    """Return the size of the images together."""
    return sum(len(image.picture.image_bytes) for image in images)
