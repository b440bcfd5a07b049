"""What every storage writes: file names and records; and the error for an id that is taken."""

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


def file_name(name: str, picture: Picture) -> str:
    """Return `{name}.{ext}`."""
    return f"{name}.{EXTENSIONS.get(picture.format, picture.format)}"


def with_file(record: Mapping[str, Any], file: str, picture: Picture) -> dict[str, Any]:
    """Return the record with the picture's file name and the digest of its bytes."""
    return {**record, "file": file, "sha256": digest(picture.image_bytes)}


def digest(data: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def encode_record(record: Mapping[str, Any]) -> bytes:
    """Return a record as the JSON that is stored."""
    return json.dumps(record, ensure_ascii=False, indent=2).encode()


def parse_record(data: bytes) -> dict[str, Any] | None:
    """Return a stored record, or None for JSON that is not one."""
    try:
        record: Any = json.loads(data)
    except (ValueError, RecursionError):
        return None
    match record:
        case {"id": str(), "file": str(file)} if FILE.fullmatch(file):
            return record
        case _:
            return None


def id_taken(id: str) -> ImageError:
    """Return the error for an id under which another picture is stored."""
    message = f"Another image is already stored as {id}; nothing was overwritten."
    return ImageError(Reason.STORAGE_FAILED, message, hint="Make the image again.", facts={"trouble": "taken"})
