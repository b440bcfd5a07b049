"""A progress message that carries an unfinished image."""

from __future__ import annotations


class PartialImage(str):
    """The message with the bytes of the image; the first has `number` 0. Progress callbacks get it."""

    image_bytes: bytes
    number: int

    def __new__(cls, message: str, image_bytes: bytes, number: int) -> PartialImage:
        """Return the message with its image."""
        made = super().__new__(cls, message)
        made.image_bytes, made.number = image_bytes, number
        return made
