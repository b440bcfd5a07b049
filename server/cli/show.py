"""`atelier show`: how a picture came to be, by its record and by what its own file says."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import anyio

from atelier.providers.core.errors import ImageError, Reason, strip_control
from atelier.providers.images import provenance
from atelier.providers.images.identify import identify
from atelier.providers.images.sources import ASSET, Asset, last
from atelier.server.composition import storage_of
from atelier.server.settings import Settings

LARGEST = 256 * 2**20  # bytes of a file that somebody names
NAMED = "Give an asset id, “last”, or the path of a picture."


def show(options: argparse.Namespace) -> int:
    """Tell how a picture came to be: its record, and the facts that are in the file itself."""
    data, record, path = found(options.picture)
    told = facts(data, record, path)
    sys.stdout.write((json.dumps(told, ensure_ascii=False) if options.json else table(told)) + "\n")
    return 0


def found(words: str) -> tuple[bytes, Mapping[str, Any] | None, Path | None]:
    """The bytes of a picture, its record where there is one, and its path when it was named by that.

    Raises not_found or invalid_request.
    """
    words = words.strip().removeprefix("image://assets/")
    if words == "last" or ASSET.fullmatch(words):
        asset = anyio.run(_kept, words)
        if asset is None:
            message = "There is no picture yet." if words == "last" else f"There is no picture {words}."
            raise ImageError(Reason.NOT_FOUND, message, hint=NAMED)
        return asset.image_bytes, asset.record, None
    path = Path(words).expanduser()
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise ImageError(Reason.NOT_FOUND, "There is no such picture.", hint=NAMED)
        return path.read_bytes(), _beside(path), path
    except (OSError, ValueError):
        raise ImageError(Reason.INVALID_REQUEST, "The file cannot be read.", hint=NAMED) from None


async def _kept(words: str) -> Asset | None:
    storage = storage_of(Settings.load())
    return await storage.get(await last(storage) or "" if words == "last" else words)


def _beside(path: Path) -> dict[str, Any] | None:
    """The record beside a file, if it is of that file."""
    try:
        told: Any = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    record = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    return record if record.get("file") == path.name and record.get("id") == path.stem else None


def facts(data: bytes, record: Mapping[str, Any] | None, path: Path | None = None) -> dict[str, Any]:
    """All that is known of a picture. `embedded` is what its own file says, and `c2pa` whether its maker signed it."""
    try:
        format, width, height = identify(data)
    except ValueError as error:
        message = f"The picture cannot be read: {error}."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Is it a whole PNG, JPEG, WebP or GIF?") from None
    return {
        **({"path": str(path)} if path else {}),
        "format": format,
        "width": width,
        "height": height,
        "bytes": len(data),
        "c2pa": provenance.has_c2pa(data),
        "record": dict(record) if record is not None else None,
        "embedded": provenance.read(data),
    }


def table(told: Mapping[str, Any]) -> str:
    """Aligned for people: the file first, then the record, then what the file says of itself."""
    file = f"{told['format']}, {told['width']}x{told['height']}, {told['bytes']:,} bytes"
    signed = "yes: signed by its maker (not verified here), and left as it came" if told["c2pa"] else "none"
    lines = [*([("path", told["path"])] if "path" in told else []), ("file", file), ("C2PA manifest", signed)]
    sections = [("", lines)]
    for title, absent, key in (
        ("record", "no record is kept of it", "record"),
        ("in the file", "the file bears none of our facts", "embedded"),
    ):
        rows = list(_rows(told[key])) if told[key] else []
        sections.append((title if rows else f"{title}: {absent}", rows))
    width = max(len(name) for _, rows in sections for name, _ in rows)
    said = list[str]()
    for title, rows in sections:
        said += ([title] if title else []) + [f"  {name.ljust(width)}  {value}" for name, value in rows]
    return "\n".join(said)


def _rows(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Every fact that is known; those of a fact below it as `usage.input_tokens`."""
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _rows(cast("dict[str, Any]", value), f"{above}{name}.")
        elif value is not None:
            plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield strip_control(above + name), re.sub(r"\s+", " ", strip_control(plain)).strip()


def declare(commands: Any) -> None:
    """`atelier show ID`"""
    parser = commands.add_parser("show", help="tell how a picture came to be", description=show.__doc__)
    parser.add_argument("picture", metavar="ID", help="an asset id, last, or the path of a picture")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.set_defaults(run=show)
