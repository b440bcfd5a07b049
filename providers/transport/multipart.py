"""Requests with a form as their body, for vendors that take pictures as files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from atelier.providers.core.types import Picture
from atelier.providers.transport.wire import httpx

SUFFIXES = {"jpeg": ("jpg", "jpeg", "jpe", "jfif")}
"""How the files of a format end, where that is not its name."""


def multipart(url: str, fields: Mapping[str, Any], files: Sequence[tuple[str, Picture]] = ()) -> httpx.Request:
    """A POST of form fields and pictures; absent fields are left out, and it is multipart even without a file.

    The boundary follows from the content, so that the same question is always the same request.
    """
    present = {name: _written(value) for name, value in fields.items() if value is not None}
    parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in present.items()]
    parts += [(name, (file_name(p), p.image_bytes, p.mime)) for name, p in files]
    content = repr(present).encode() + b"".join(p.image_bytes for _, p in files)
    boundary = hashlib.sha256(content).hexdigest()[:32]
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    request = httpx.Request("POST", url, headers=headers, files=parts)
    request.read()  # so that whoever is shown the request can see its content
    return request


def file_name(picture: Picture) -> str:
    """The name of the file that a picture was read from, else image.png. Its suffix says what the bytes are.

    Folders, double quotes and control characters are left out, since readers of forms stumble over them.
    """
    base = re.split(r"[/\\]", picture.name)[-1]
    name = "".join(" " if letter.isspace() else letter for letter in base if letter.isspace() or letter.isprintable())
    name = name.replace('"', "").strip()
    suffix = name.lower().rpartition(".")[2]
    fits = suffix in SUFFIXES.get(picture.format, (picture.format,))
    return name if name and fits else f"{name or 'image'}.{picture.format}"


def _written(value: Any) -> str:
    """A value as forms have it: `true`, not `True`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
