"""`atelier show`: print the record of an image and the facts embedded in its file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio

from atelier.providers.core.errors import ImageError, Reason, strip_control
from atelier.providers.images import provenance
from atelier.providers.images.identify import identify
from atelier.providers.images.sources import ASSET, newest_asset_id
from atelier.server.cli.terminal.images import open_in_browser, shown
from atelier.server.cli.terminal.output import say, say_json
from atelier.server.composition import storage_of
from atelier.server.settings import Settings

MAX_FILE_BYTES = 256 * 2**20
PREVIEW_COLUMNS = 40  # of the terminal
HINT = "Give a file, the id of an image, which `atelier list` prints, or last."


def show(image: str, *, open: bool, json: bool) -> int:
    """Print how an image was made, and where it is: its record, and the facts embedded in its file."""
    found = anyio.run(find_image, image)
    facts_shown = facts(found)
    if json:
        say_json(facts_shown)
    else:
        if picture := shown(found.image_bytes, PREVIEW_COLUMNS):
            say(picture)
        say(table(facts_shown))
    address = found.url or (Path(found.path).absolute().as_uri() if found.path else None)
    if open and address:
        open_in_browser(address)
    return 0


@dataclass(frozen=True, slots=True)
class Found:
    """An image, its record if there is one, and where it is: a path, a fresh link, or both."""

    image_bytes: bytes
    record: Mapping[str, Any] | None
    path: str | None = None
    url: str | None = None


async def find_image(words: str) -> Found:
    """Return the image that an id, “last” or a path names. Raises not_found or invalid_request."""
    words = words.strip().removeprefix("image://assets/")
    if words == "last" or ASSET.fullmatch(words):
        storage = storage_of(Settings.load())
        id = await newest_asset_id(storage) or "" if words == "last" else words
        asset = await storage.get(id)
        if asset is None:
            message = "There is no image yet." if words == "last" else f"There is no image {words}."
            raise ImageError(Reason.NOT_FOUND, message, hint=HINT)
        place = await storage.where(id)
        return Found(asset.image_bytes, asset.record, place and place.path, place and place.url)
    return await anyio.to_thread.run_sync(_file, Path(words))


def _file(path: Path) -> Found:
    path = path.expanduser()
    try:
        if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            raise ImageError(Reason.NOT_FOUND, "There is no such image.", hint=HINT)
        return Found(path.read_bytes(), _beside(path), str(path))
    except (OSError, ValueError):
        raise ImageError(Reason.INVALID_REQUEST, "The file cannot be read.", hint=HINT) from None


def _beside(path: Path) -> dict[str, Any] | None:
    """Return the record beside a file, if it belongs to the file."""
    try:
        facts_shown: Any = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    record = cast("dict[str, Any]", facts_shown) if isinstance(facts_shown, dict) else {}
    return record if record.get("file") == path.name and record.get("id") == path.stem else None


def facts(found: Found) -> dict[str, Any]:
    """Return all facts about an image. `embedded` comes from its file; `c2pa` says whether its maker signed it."""
    data = found.image_bytes
    try:
        format, width, height = identify(data)
    except ValueError as error:
        message = f"The image cannot be read: {error}."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Is it a whole PNG, JPEG, WebP or GIF?") from None
    return {
        **({"path": found.path} if found.path else {}),
        **({"url": found.url} if found.url else {}),
        "format": format,
        "width": width,
        "height": height,
        "bytes": len(data),
        "c2pa": provenance.has_c2pa(data),
        "record": dict(found.record) if found.record is not None else None,
        "embedded": provenance.read(data),
    }


def table(facts_shown: Mapping[str, Any]) -> str:
    """Return the facts as text: the file, the record, the embedded facts."""
    file = f"{facts_shown['format']}, {facts_shown['width']}x{facts_shown['height']}, {facts_shown['bytes']:,} bytes"
    signed = "yes: signed by its maker (not verified here), and left as it came" if facts_shown["c2pa"] else "none"
    lines = [
        *((name, facts_shown[key]) for name, key in (("path", "path"), ("link", "url")) if key in facts_shown),
        ("file", file),
        ("C2PA manifest", signed),
    ]
    sections = [("", lines)]
    for title, absent, key in (
        ("record", "it has no record", "record"),
        ("in the file", "the file has no facts of ours", "embedded"),
    ):
        rows = list(_rows(facts_shown[key])) if facts_shown[key] else []
        sections.append((title if rows else f"{title}: {absent}", rows))
    width = max(len(name) for _, rows in sections for name, _ in rows)
    lines_shown = list[str]()
    for title, rows in sections:
        lines_shown += ([title] if title else []) + [f"  {name.ljust(width)}  {value}" for name, value in rows]
    return "\n".join(lines_shown)


def _rows(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield every known fact; nested ones as `usage.input_tokens`."""
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _rows(cast("dict[str, Any]", value), f"{above}{name}.")
        elif value is not None:
            plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield strip_control(above + name), re.sub(r"\s+", " ", strip_control(plain)).strip()
