"""How vendors count tokens of images and text, in whole numbers; formulas as found by 2026-11-20."""

from __future__ import annotations

import math

PATCH, MAX_PATCHES = 32, 1536
BYTES_PER_TOKEN = 4


def drawn(grid: int, width: int, height: int, count: int = 1) -> int:
    """OpenAI's output tokens of `count` pictures, GPT Image 2 and later; `grid` goes with the quality.

    Found on the vendor's forum in 2026-05; it reproduces every figure of the vendor's calculator that was seen.
    """
    long, short = max(width, height), min(width, height)
    cells = grid * ((2 * grid * short + long) // (2 * long))
    return -(-count * cells * (2_000_000 + width * height) // 4_000_000)


def patches(width: int, height: int) -> int:
    """OpenAI's tokens of a source picture, GPT Image 2 and later: patches of 32 px, after fitting into 1536 of them."""
    whole = -(-width // PATCH) * -(-height // PATCH)
    if whole <= MAX_PATCHES:
        return whole
    across, down = math.isqrt(MAX_PATCHES * width // height), math.isqrt(MAX_PATCHES * height // width)
    if across * height <= down * width:
        down = -(-across * height // width)
    else:
        across = -(-down * width // height)
    return min(max(across, 1) * max(down, 1), MAX_PATCHES)


def tiles(width: int, height: int, *, high_fidelity: bool = False) -> int:
    """The same of GPT Image 1: 65, and 129 a tile of 512 px when the short side is one; more at high fidelity."""
    long, short = max(width, height), min(width, height)
    faithful = (4160 if long == short else 6240) if high_fidelity else 0
    return 65 + 129 * -(-long // short) + faithful


def written(text: str) -> int:
    """Return about how many tokens a prompt has: four bytes each, since no vendor publishes its count."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
