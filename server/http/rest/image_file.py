"""The response with the bytes of an image, or with the range of them that the client requests."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from atelier.providers.images.asset_storage import Asset
from atelier.providers.images.identify import picture

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
"""The one range that is answered; several are answered with the whole image, as RFC 9110 allows."""


def image_response(request: Request, asset: Asset, headers: Mapping[str, str]) -> Response:
    """Return the image. Under an id the bytes never change, so the id is their entity tag."""
    data, tag = asset.image_bytes, f'"{asset.id}"'
    common = {"X-Content-Type-Options": "nosniff", "Accept-Ranges": "bytes", "ETag": tag, **headers}
    media_type = picture(data).mime
    found = RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or found[0] == "bytes=-" or request.headers.get("if-range", tag) != tag:
        return Response(data, 200, common, media_type)
    start, end = _bounds(found[1], found[2], len(data))
    if start >= end:
        return Response(b"", 416, {**common, "Content-Range": f"bytes */{len(data)}"}, media_type)
    common["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
    return Response(data[start:end], 206, common, media_type)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Return where a range begins and ends. Without `first` it has the last bytes, as many as `last` says."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size
