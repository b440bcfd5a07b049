"""What every kind of storage writes: names of files, records with what is added to them, and one shared refusal."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Picture

EXTENSIONS = {"jpeg": "jpg"}  # every other format is its own extension
FILE = re.compile(r"[\w-]+\.(png|jpg|webp|gif)")


def file_of(name: str, picture: Picture) -> str:
    """`{name}.{ext}`"""
    return f"{name}.{EXTENSIONS.get(picture.format, picture.format)}"


def noted(record: Mapping[str, Any], file: str, picture: Picture) -> dict[str, Any]:
    """The record with the name of its picture and the digest of its bytes."""
    return {**record, "file": file, "sha256": digest(picture.image_bytes)}


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def written(record: Mapping[str, Any]) -> bytes:
    """A record as it is kept."""
    return json.dumps(record, ensure_ascii=False, indent=2).encode()


def read(data: bytes) -> dict[str, Any] | None:
    """A record that was kept; None when it is not one of ours."""
    try:
        record: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    match record:
        case {"id": str(), "file": str(file)} if FILE.fullmatch(file):
            return record
        case _:
            return None


def taken(id: str) -> ImageError:
    """Another picture has that id."""
    message = f"Another picture is already kept as {id}; nothing was overwritten."
    return ImageError(Reason.STORAGE_FAILED, message, hint="Make the picture again.", facts={"trouble": "taken"})
