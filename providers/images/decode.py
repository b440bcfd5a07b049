"""Bytes -> pixels, the one way in: whatever a decoder stumbles over comes out as one error. Pillow lives here.

Decoders fail in many ways on a broken file, and some pictures claim less than they unfold to; both end here.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Picture
from atelier.providers.images.identify import identify

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 100_000_000  # pixels of anything: a decompression bomb claims more, and 4K pictures have 17 million
MAX_NOTE_BYTES = 16 * 2**20  # of a colour profile in a PNG; some are larger than the 1 MB that Pillow allows
ORIENTATION = 0x0112  # of Exif 2.32, 4.6.4: 1 is upright
ORIENTED = (b"Exif", b"eXIf", b"EXIF", b"rientation", b"Raw profile")
"""What a file has in it that may say which way is up. Most have none of it, and are left to themselves unread."""


def decode(data: bytes, *, enough: tuple[int, int] | None = None) -> Image.Image:
    """The first picture of a PNG, JPEG, WebP or GIF, upright. Raises ValueError, which says what is wrong with it.

    `enough` is a size that a JPEG may be decoded at in place of its own, when that is larger.
    """
    from PIL import ImageOps

    format, width, height = identify(data)
    if width * height > MAX_PIXELS:
        raise ValueError(f"it has {width}x{height} pixels")
    try:
        image = open_image(data, format)
        if image.width * image.height > MAX_PIXELS:  # a GIF may claim one size and have a frame of another
            raise ValueError("too many pixels")
        if enough:
            image.draft("RGB", enough)
        image.load()
        if image.mode == "P":  # a palette may be missing, which nobody notices before it is used
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    except Exception as error:
        raise ValueError("it cannot be decoded") from error
    with suppress(Exception):  # what is said about a picture may be broken while the picture is not
        ImageOps.exif_transpose(image, in_place=True)
    return image


def to_eight_bits(image: Image.Image) -> Image.Image:
    """A picture with 8 bits a channel. Pillow's plain conversion would turn most of a 16-bit one white."""
    if not image.mode.startswith("I"):  # every other kind of 16 bits is decoded to 8 already
        return image
    clear, wide = image.info.get("transparency"), image.convert("I")
    grey = _by_table(wide, [value >> 8 for value in range(2**16)])
    grey.info.pop("transparency", None)
    if isinstance(clear, int):  # one of the greys is see-through
        grey.putalpha(_by_table(wide, [0 if value == clear else 255 for value in range(2**16)]))
    return grey


def _by_table(wide: Image.Image, table: list[int]) -> Image.Image:
    return wide.point(table, "L")  # pyright: ignore[reportUnknownMemberType]


def flatten(image: Image.Image) -> Image.Image:
    """RGB of 8 bits, whatever the picture was: what is transparent lies on white."""
    from PIL import Image

    image = to_eight_bits(image)
    if has_alpha(image):
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        white.alpha_composite(clear)
        image = white
    return image.convert("RGB")


def has_alpha(image: Image.Image) -> bool:
    """Whether some of a picture may be transparent."""
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def rotate_upright(picture: Picture) -> Picture:
    """The same picture with its pixels the way up that its Exif or XMP says; untouched when that is how they are.

    Vendors differ in whether they look at the note.
    Raises ValueError when it would have to be turned and cannot be decoded.
    """
    if not is_turned(picture.image_bytes):
        return picture
    return encode(decode(picture.image_bytes), picture.format, quality=95)


def is_turned(data: bytes) -> bool:
    """Whether a picture bears a note that its pixels lie on their side, on their head or mirrored."""
    if not any(mark in data for mark in ORIENTED):
        return False
    with suppress(Exception):
        image = open_image(data, identify(data)[0])
        return image.getexif().get(ORIENTATION, 1) in range(2, 9)
    return False


def decodes_fully(jpeg: bytes) -> bool:
    """Whether a decoder gets the pixels of a JPEG down to the last row. It fills what is missing with one grey."""
    with suppress(Exception):
        image = open_image(jpeg, "jpeg")
        image.load()
        corner = image.convert("RGB").crop((image.width // 2, max(0, image.height - 8), image.width, image.height))
        return corner.getcolors(1) is None  # more than one colour
    return False


def open_image(data: bytes, format: str) -> Image.Image:
    """A picture of one format, of which nothing but the head is decoded yet. Raises whatever its decoder raises."""
    from PIL import Image, PngImagePlugin

    PngImagePlugin.MAX_TEXT_CHUNK = MAX_NOTE_BYTES
    if format.upper() not in Image.OPEN:
        Image.init()  # all of its formats: it knows only some of them by itself
    return Image.open(io.BytesIO(data), formats=(format.upper(),))


def encode(image: Image.Image, format: str, **options: Any) -> Picture:
    """Pixels -> a picture in a format, with its colour profile and no other note. `options` are Pillow's.

    Raises invalid_request for what the format cannot hold, such as a JPEG of more than 65,500 pixels an edge.
    """
    out = io.BytesIO()
    try:
        image.save(out, format.upper(), icc_profile=image.info.get("icc_profile"), **options)
    except (OSError, ValueError):
        message = f"A picture of {image.width}x{image.height} cannot be written as {format.upper()}."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Scale it down first.") from None
    data = out.getvalue()
    return Picture(data, *identify(data))
