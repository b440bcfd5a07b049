"""A picture -> a small JPEG. All previews of one answer share a budget, because hosts cut large answers off.

JPEG because llama.cpp front ends cannot read WebP; 768 pixels because VS Code and Claude leave that size alone
(measured on 48 photographs, November 2026).
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import anyio

from atelier.providers.core.types import Picture
from atelier.providers.images.decode import decode, flatten

BUDGET = 100 * 1024  # bytes of all previews of an answer together
EDGES = {1: 768, 2: 640}  # long edge in pixels by number of previews
EDGE_OF_MANY = 512
SMALLEST_EDGE = 160
QUALITIES = (80, 72, 64)
ENOUGH = (1536, 1536)  # pixels that a JPEG is decoded at when it has more: twice what is needed


async def previews(pictures: Sequence[Picture], kept: Sequence[bytes | None] = ()) -> list[bytes]:
    """A JPEG for each picture, together within the budget; b"" for one that cannot be decoded.

    `kept` are those that were made before, in the same order; one that fits is taken as it is.
    """
    made, share = list[bytes](), BUDGET // max(1, len(pictures))
    for index, one in enumerate(pictures):
        before = kept[index] if index < len(kept) else None
        if before is None or len(before) > share:
            before = await anyio.to_thread.run_sync(preview, one.image_bytes, len(pictures))
        made.append(before)
    return made


def preview(data: bytes, among: int = 1) -> bytes:
    """A baseline sRGB JPEG without metadata, upright, transparency flattened on white, for one of `among` previews."""
    from PIL import Image

    try:
        whole = flatten(decode(data, enough=ENOUGH))
    except ValueError:
        return b""
    limit, edge = BUDGET // among, EDGES.get(among, EDGE_OF_MANY)
    while True:
        small = whole.copy()
        small.thumbnail((edge, edge), Image.Resampling.LANCZOS)
        for quality in QUALITIES:
            out = io.BytesIO()
            small.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= limit or edge < SMALLEST_EDGE:
                return out.getvalue()
        edge = int(edge * 0.85)
