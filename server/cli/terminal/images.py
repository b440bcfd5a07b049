"""Show an image in a terminal that can, by the protocol of kitty or of iTerm2 or as sixels, or in a browser.

The terminal is known by its variables. Asking it would mean to read its answer from what the person types.
"""

from __future__ import annotations

import base64
import io
import os
import sys
import webbrowser
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from atelier.providers.images.decode import decode, flatten
from atelier.server.cli.terminal.output import say

if TYPE_CHECKING:
    from PIL import Image

Protocol = Literal["kitty", "iterm2", "sixel"]

PIXELS_PER_COLUMN = 10  # about the width of a character
CHUNK = 4096  # bytes of one escape sequence of kitty
COLOURS = 128  # of sixels, which have 256 at most
SIXEL_ROWS = 6


def image_protocol(environ: Mapping[str, str] = os.environ) -> Protocol | None:
    """Return how stdout shows images; None for a file, a pipe, a multiplexer and most terminals."""
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if not sys.stdout or not sys.stdout.isatty() or environ.get("TMUX") or term.startswith(("screen", "tmux", "dumb")):
        return None
    if term in ("xterm-kitty", "xterm-ghostty") or environ.get("KITTY_WINDOW_ID") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty") or environ.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    if "sixel" in term or term.startswith(("foot", "mlterm", "contour")) or environ.get("WT_SESSION"):
        return "sixel"
    return None


def shown(data: bytes, columns: int) -> str:
    """Return what shows an image, at most so many columns wide, when it is printed; "" where it cannot be shown."""
    protocol = image_protocol()
    if protocol is None:
        return ""
    edge = columns * PIXELS_PER_COLUMN
    try:
        small = flatten(decode(data, enough=(2 * edge, 2 * edge)))
    except ValueError:
        return ""
    small.thumbnail((edge, edge))
    if protocol == "sixel":
        return "".join(_sixels(small))
    out = io.BytesIO()
    small.save(out, "PNG")
    text = base64.b64encode(out.getvalue()).decode()
    if protocol == "iterm2":
        return f"\033]1337;File=inline=1;size={out.tell()};width={small.width}px;preserveAspectRatio=1:{text}\a"
    return "".join(_kitty(text))


def _kitty(text: str) -> Iterator[str]:
    chunks = [text[start : start + CHUNK] for start in range(0, len(text), CHUNK)]
    for number, chunk in enumerate(chunks):
        keys = "a=T,f=100,q=2," if number == 0 else ""
        yield f"\033_G{keys}m={int(number < len(chunks) - 1)};{chunk}\033\\"


def _sixels(image: Image.Image) -> Iterator[str]:
    """Yield an image as sixels: for each band of six rows and each of its colours, which of the six pixels have it."""
    few = image.quantize(COLOURS)
    palette, pixels = few.getpalette() or [], few.tobytes()
    yield f'\033P0;1q"1;1;{few.width};{few.height}'
    for colour in range(len(palette) // 3):
        red, green, blue = (value * 100 // 255 for value in palette[3 * colour : 3 * colour + 3])
        yield f"#{colour};2;{red};{green};{blue}"
    for top in range(0, few.height, SIXEL_ROWS):
        bits = dict[int, bytearray]()
        for row in range(min(SIXEL_ROWS, few.height - top)):
            start = (top + row) * few.width
            for column, colour in enumerate(pixels[start : start + few.width]):
                bits.setdefault(colour, bytearray(few.width))[column] |= 1 << row
        yield "$".join(f"#{colour}{bytes(63 + each for each in band).decode()}" for colour, band in bits.items()) + "-"
    yield "\033\\"


def open_in_browser(address: str) -> None:
    """Open an address; print a note where there is no browser, as on a server."""
    try:
        opened = webbrowser.open(address)
    except webbrowser.Error:
        opened = False
    if not opened:
        say("Note: no browser was found to open it.", sys.stderr)
