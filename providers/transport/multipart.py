"""Build multipart form requests, for vendors that take images as files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from atelier.providers.core.types import Picture
from atelier.providers.transport.wire import httpx

SUFFIXES = {"jpeg": ("jpg", "jpeg", "jpe", "jfif")}
"""Image format -> file suffixes, if they differ from the format's name."""


def multipart(url: str, fields: Mapping[str, Any], files: Sequence[tuple[str, Picture]] = ()) -> httpx.Request:
    """Return a POST of form fields and files. Fields that are None are left out; it is multipart even without a file.

    The boundary is computed from the content, so that equal calls give equal requests.
    """
    present = {name: _form_value(value) for name, value in fields.items() if value is not None}
    parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in present.items()]
    parts += [(name, (file_name(p), p.image_bytes, p.mime)) for name, p in files]
    digest = hashlib.sha1(repr(present).encode(), usedforsecurity=False)  # four times as fast as SHA-256
    for _, picture in files:
        digest.update(picture.image_bytes)
    headers = {"content-type": f"multipart/form-data; boundary={digest.hexdigest()[:32]}"}
    request = httpx.Request("POST", url, headers=headers, files=parts)
    request.read()  # makes the content readable for `prepare`
    return request


def file_name(picture: Picture) -> str:
    """Return the name of the source file, else image.png, with a suffix that matches the bytes.

    Folders, double quotes and control characters are removed, because form parsers fail on them.
    """
    base = re.split(r"[/\\]", picture.name)[-1]
    name = "".join(" " if letter.isspace() else letter for letter in base if letter.isspace() or letter.isprintable())
    name = name.replace('"', "").strip()
    suffix = name.lower().rpartition(".")[2]
    fits = suffix in SUFFIXES.get(picture.format, (picture.format,))
    return name if name and fits else f"{name or 'image'}.{picture.format}"


def _form_value(value: Any) -> str:
    """Format a value for a form: `true`, not `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
