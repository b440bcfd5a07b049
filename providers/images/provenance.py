"""Embed the facts of an asset record in its image file, so that they stay with a copy of the file.

The facts are an XMP packet with a field of Atelier's own, and the prompt as the description for other programs. Pixels
are not encoded again. A file with a C2PA manifest stays unchanged, because the manifest's signature covers the rest of
the file; its facts are in the record only.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from atelier.providers.core.errors import strip_control
from atelier.providers.core.types import Picture
from atelier.providers.images.containers import MAX_JPEG_PACKET, PARTS, is_signed, parts, with_xmp, without, xmp_of
from atelier.providers.images.identify import identify

FACTS = (
    "id", "created_at", "operation", "prompt", "negative_prompt", "prompt_used", "provider", "model", "seed",
    "estimated_usd", "actual_usd", "parent",
)  # fmt: skip
"""The fields of a record that are written into the file, if known."""

SHORTENABLE = ("prompt_used", "negative_prompt", "prompt")
"""Fields that are shortened, the longest first, if there is no room; the record keeps the full text."""

NAMESPACE = "urn:atelier:picture:1#"
ATELIER_XMP = re.compile(rb'<rdf:Description rdf:about="" xmlns:atelier="[^"]*"[^>]*/>\n?')
TOOLKIT = b'x:xmptk="Atelier"'  # a packet written by Atelier alone
NOTE = re.compile(rb"""atelier:facts(?:="([^"]*)"|='([^']*)'|>([^<]*)<)""")
END = b"</rdf:RDF>"
PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Atelier"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmp:CreatorTool="Atelier" xmp:CreateDate="{created}"><dc:description><rdf:Alt>\
<rdf:li xml:lang="x-default">{description}</rdf:li></rdf:Alt></dc:description></rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def embed_facts(picture: Picture, record: Mapping[str, Any]) -> tuple[Picture, dict[str, Any]]:
    """Return the image with its facts embedded, and the record with `embedded`, `c2pa` and the new `bytes`.

    Never fails: if the facts cannot be embedded safely, the paid image stays as it is.
    """
    data = _with_facts(picture.image_bytes, (picture.format, picture.width, picture.height), record)
    c2pa = _has_c2pa(data, picture.format)
    outcome = {"bytes": len(data), "c2pa": c2pa, "embedded": data is not picture.image_bytes}
    return replace(picture, image_bytes=data), {**record, **outcome}


def _with_facts(data: bytes, found: tuple[str, int, int], record: Mapping[str, Any]) -> bytes:
    """Return a file of this format and size with the facts embedded.

    Returns the same object if it is signed, has no room or cannot be parsed.
    """
    facts = {name: record[name] for name in FACTS if record.get(name) is not None}
    if facts.get("prompt_used") == facts.get("prompt"):  # store it once, the space is limited
        facts.pop("prompt_used", None)
    try:
        format = found[0]
        all = parts(format, data) if format in PARTS else []
        if not all or is_signed(format, all):
            return data
        theirs = xmp_of(format, all)
        while len(packet := _packet(facts, theirs[1] if theirs else None)) > MAX_JPEG_PACKET:
            facts = _shorter(facts)
        made = with_xmp(format, data, all, packet)
        sound = identify(made) == found and _read(format, made) == facts
    except Exception:  # noqa: BLE001 - no problem with the metadata may cost the image
        return data
    return made if sound else data


def without_facts(data: bytes) -> bytes:
    """Return the file without embedded facts, so that a vendor does not get prompt and price.

    Other metadata stays. Returns the same object if the file has no facts, is signed or cannot be parsed.
    """
    try:
        format, *size = identify(data)
        all = parts(format, data) if format in PARTS else []
        found = xmp_of(format, all)
        if not found or not NOTE.search(found[1]) or is_signed(format, all):
            return data
        part, packet = found
        theirs = ATELIER_XMP.sub(b"", packet)
        foreign = TOOLKIT not in packet and not NOTE.search(
            theirs
        )  # else Atelier wrote all of it, or another program rewrote it
        made = with_xmp(format, data, all, theirs) if foreign else without(format, data, all, part)
        sound = identify(made) == (format, *size) and read(made) is None
    except Exception:  # noqa: BLE001 - metadata must not make an image unusable
        return data
    return made if sound else data


def read(data: bytes) -> dict[str, Any] | None:
    """Return the facts embedded in a file; None if there are none that can be read."""
    try:
        return _read(identify(data)[0], data)
    except ValueError:
        return None


def _read(format: str, data: bytes) -> dict[str, Any] | None:
    try:
        found = xmp_of(format, parts(format, data)) if format in PARTS else None
        note = NOTE.search(found[1]) if found else None
        facts: Any = json.loads(html.unescape((note[1] or note[2] or note[3] or b"").decode())) if note else None
    except (ValueError, RecursionError):
        return None
    return {str(name): value for name, value in facts.items() if name in FACTS} if isinstance(facts, dict) else None  # pyright: ignore[reportUnknownVariableType]


def has_c2pa(data: bytes) -> bool:
    """Whether a file has a C2PA manifest. The signature is not verified."""
    try:
        return _has_c2pa(data, identify(data)[0])
    except ValueError:
        return False


def _has_c2pa(data: bytes, format: str) -> bool:
    try:
        return format in PARTS and is_signed(format, parts(format, data))
    except ValueError:
        return False


def _packet(facts: Mapping[str, Any], theirs: bytes | None) -> bytes:
    """Return a packet with the facts, added to the vendor's packet if there is one. Raises ValueError if that fails."""
    note = html.escape(json.dumps(facts, ensure_ascii=True, separators=(",", ":")))
    ours = f'<rdf:Description rdf:about="" xmlns:atelier="{NAMESPACE}" atelier:facts="{note}"/>\n'.encode()
    if theirs is None:
        words = html.escape(strip_control(str(facts.get("prompt", ""))))
        blank = PACKET.format(created=html.escape(str(facts.get("created_at", ""))), description=words)
        theirs = blank.encode()
    else:
        theirs = ATELIER_XMP.sub(b"", theirs)  # older facts, which a vendor copied from a source image
    before, end, after = theirs.rpartition(END)
    if not end:
        raise ValueError("the packet has no end")
    return before + ours + end + after


def _shorter(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts with the longest text cut in half. Raises ValueError if all are empty."""
    name = max(SHORTENABLE, key=lambda name: len(str(facts.get(name, ""))))
    if len(text := str(facts.get(name, ""))) < 2:
        raise ValueError("there is no room")
    return {**facts, name: text[: len(text) // 2].rstrip("…") + "…"}
