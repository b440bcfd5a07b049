"""A progress message that carries an unfinished image."""

from __future__ import annotations


class PartialImage(str):
    """The message, with the bytes of the image; the first has `index` 0. It travels as any other progress does."""

    image_bytes: bytes
    index: int

    def __new__(cls, message: str, image_bytes: bytes, index: int) -> PartialImage:
        """Return the message with its image."""
        made = super().__new__(cls, message)
        made.image_bytes, made.index = image_bytes, index
        return made
