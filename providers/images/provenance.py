"""Where a picture comes from, written into its own file: the facts travel with it when it leaves the folder.

They are an XMP packet: a note of our own that holds the facts, and for other programs the prompt as the description.
No pixel is encoded anew. A file that bears its maker's C2PA manifest is left alone, byte for byte: the manifest's
signature covers the rest of the file, so that any note of ours would break it. Its facts are beside it only.
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
"""What of a record is written into the file, where it is known."""

SHORTENABLE = ("prompt_used", "negative_prompt", "prompt")
"""What is shortened, the longest first, when there is no room for all of it; the record has it whole."""

NAMESPACE = "urn:atelier:picture:1#"
OURS = re.compile(rb'<rdf:Description rdf:about="" xmlns:atelier="[^"]*"[^>]*/>\n?')
TOOLKIT = b'x:xmptk="Atelier"'  # a packet that is ours altogether
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
    """The picture with its facts in its file, and the record that says so: `embed_facts`, `c2pa` and the new `bytes`.

    Never fails: where there is any doubt the picture stays as it is, for it is paid for.
    """
    data = with_facts(picture.image_bytes, record)
    told = {"bytes": len(data), "c2pa": has_c2pa(data), "embedded": data is not picture.image_bytes}
    return replace(picture, image_bytes=data), {**record, **told}


def with_facts(data: bytes, record: Mapping[str, Any]) -> bytes:
    """The file with the facts of a record in it; the same object where it has no room, is signed, or is odd."""
    facts = {name: record[name] for name in FACTS if record.get(name) is not None}
    if facts.get("prompt_used") == facts.get("prompt"):  # said once is enough in a small file
        facts.pop("prompt_used", None)
    try:
        format, *size = identify(data)
        all = parts(format, data) if format in PARTS else []
        if not all or is_signed(format, all):
            return data
        found = xmp_of(format, all)
        while len(packet := _packet(facts, found[1] if found else None)) > MAX_JPEG_PACKET:
            facts = _shorter(facts)
        made = with_xmp(format, data, all, packet)
        sound = identify(made) == (format, *size) and read(made) == facts
    except Exception:  # noqa: BLE001 - whatever is odd about a vendor's file, it must not cost the picture
        return data
    return made if sound else data


def without_facts(data: bytes) -> bytes:
    """The file as it was before its facts were put in: a vendor that is sent it need not know prompt and price.

    What others wrote into it stays. The same object where it bears none of our facts, is signed, or is odd.
    """
    try:
        format, *size = identify(data)
        all = parts(format, data) if format in PARTS else []
        found = xmp_of(format, all)
        if not found or not NOTE.search(found[1]) or is_signed(format, all):
            return data
        part, packet = found
        theirs = OURS.sub(b"", packet)
        foreign = TOOLKIT not in packet and not NOTE.search(theirs)  # else all of it is ours, or rewritten by others
        made = with_xmp(format, data, all, theirs) if foreign else without(format, data, all, part)
        sound = identify(made) == (format, *size) and read(made) is None
    except Exception:  # noqa: BLE001 - a picture that can be edited must not fail for its notes
        return data
    return made if sound else data


def read(data: bytes) -> dict[str, Any] | None:
    """The facts that a file bears; None when it bears none of ours, or none that can be read."""
    try:
        format = identify(data)[0]
        found = xmp_of(format, parts(format, data)) if format in PARTS else None
        note = NOTE.search(found[1]) if found else None
        told: Any = json.loads(html.unescape((note[1] or note[2] or note[3] or b"").decode())) if note else None
    except (ValueError, RecursionError):
        return None
    return {str(name): value for name, value in told.items() if name in FACTS} if isinstance(told, dict) else None  # pyright: ignore[reportUnknownVariableType]


def has_c2pa(data: bytes) -> bool:
    """Whether a file bears a C2PA manifest. It is not verified."""
    try:
        format = identify(data)[0]
        return format in PARTS and is_signed(format, parts(format, data))
    except ValueError:
        return False


def _packet(facts: Mapping[str, Any], theirs: bytes | None) -> bytes:
    """A packet with the facts; one that the vendor put there keeps all that it says. Raises ValueError if it cannot."""
    note = html.escape(json.dumps(facts, ensure_ascii=True, separators=(",", ":")))
    ours = f'<rdf:Description rdf:about="" xmlns:atelier="{NAMESPACE}" atelier:facts="{note}"/>\n'.encode()
    if theirs is None:
        words = html.escape(strip_control(str(facts.get("prompt", ""))))
        blank = PACKET.format(created=html.escape(str(facts.get("created_at", ""))), description=words)
        theirs = blank.encode()
    else:
        theirs = OURS.sub(b"", theirs)  # an older note of ours, which a vendor has handed through
    before, end, after = theirs.rpartition(END)
    if not end:
        raise ValueError("the packet is not as it should be")
    return before + ours + end + after


def _shorter(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with half of the longest word that may be shortened. Raises ValueError when there is none left."""
    name = max(SHORTENABLE, key=lambda name: len(str(facts.get(name, ""))))
    if len(text := str(facts.get(name, ""))) < 2:
        raise ValueError("there is no room")
    return {**facts, name: text[: len(text) // 2].rstrip("…") + "…"}
