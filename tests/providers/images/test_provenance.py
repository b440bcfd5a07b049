"""Tests of embedded facts: they can be read again, no pixel changes, and signed files stay unchanged."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from atelier.providers.core.types import Picture
from atelier.providers.images.containers import parts, with_xmp, xmp_of
from atelier.providers.images.identify import identify, picture
from atelier.providers.images.provenance import FACTS, embed_facts, has_c2pa, read, without_facts
from tests.exhaustive import examples

RECORD: dict[str, Any] = {
    "id": "img_0123456789abcdefghjkmnpqrs", "created_at": "2026-11-21T10:00:00Z", "operation": "edit",
    "prompt": "a “fox” & <an owl>\nin the rain", "negative_prompt": None, "prompt_used": None, "provider": "openai",
    "model": "gpt-image-2", "seed": 7, "estimated_usd": None, "actual_usd": 0.04, "parent": "img_x", "bytes": 5,
    "details": {"request_id": "req_1"},
}  # fmt: skip
SHOWN = {name: RECORD[name] for name in FACTS if RECORD[name] is not None}
Options = dict[str, Any]

KINDS: dict[str, tuple[str, str, Options]] = {
    "png": ("PNG", "RGB", {}),
    "png with alpha": ("PNG", "RGBA", {}),
    "png palette": ("PNG", "P", {}),
    "png 16 bits": ("PNG", "I;16", {}),
    "jpeg": ("JPEG", "RGB", {}),
    "jpeg progressive": ("JPEG", "RGB", {"progressive": True}),
    "jpeg cmyk": ("JPEG", "CMYK", {}),
    "webp": ("WEBP", "RGB", {}),
    "webp lossless": ("WEBP", "RGB", {"lossless": True}),
    "webp lossless with alpha": ("WEBP", "RGBA", {"lossless": True}),
    "webp with alpha": ("WEBP", "RGBA", {}),
    "webp with profile": ("WEBP", "RGB", {"icc_profile": b"a profile"}),
}


def made(kind: str, size: tuple[int, int] = (33, 17), **options: Any) -> bytes:
    format, mode, usual = KINDS[kind]
    slope, out = Image.linear_gradient("L").crop((100, 100, 100 + size[0], 100 + size[1])), io.BytesIO()
    image = slope.convert(mode if mode != "I;16" else "I")
    if mode == "RGBA":
        image.putalpha(slope)
    image = image.convert("I;16") if mode == "I;16" else image
    image.save(out, format, **{**usual, **options})
    return out.getvalue()


def pixels(data: bytes) -> tuple[str, bytes]:
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, image.tobytes()


def with_facts(data: bytes, record: dict[str, Any]) -> bytes:
    """The file as it is stored; what is no image is not."""
    try:
        image = Picture(data, *identify(data))
    except ValueError:
        return data
    return embed_facts(image, record)[0].image_bytes


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_the_facts_come_back_and_no_pixel_has_changed(kind: str) -> None:
    before = made(kind)
    after = with_facts(before, RECORD)
    assert read(before) is None
    assert read(after) == SHOWN
    assert identify(after) == identify(before)
    assert pixels(after) == pixels(before)


@every_kind
def test_other_programs_find_the_prompt_as_the_description(kind: str) -> None:
    after = with_facts(made(kind), RECORD)
    with Image.open(io.BytesIO(after)) as image:
        packet = image.info["xmp"]
    tree = ElementTree.fromstring(packet)
    (words,) = tree.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li")
    assert words.text == "a “fox” & <an owl> in the rain"


@every_kind
def test_what_the_vendor_wrote_into_the_file_stays_in_it(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "the vendor's own words"
    theirs = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:v="http://vendor.example/" v:made="by us"/></rdf:RDF></x:xmpmeta>'
    )
    options: Options = {"exif": exif} if kind.startswith("png") else {"exif": exif, "xmp": theirs}
    before = made(kind, **options)
    if kind.startswith("png"):
        before = with_chunk(before, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + theirs)
    after = with_facts(before, RECORD)
    assert read(after) == SHOWN
    assert pixels(after) == pixels(before)
    with Image.open(io.BytesIO(after)) as image:
        image.load()
        assert image.getexif()[0x010E] == "the vendor's own words"
        assert b'v:made="by us"' in image.info["xmp"]
        ElementTree.fromstring(image.info["xmp"])


@every_kind
def test_facts_copied_by_a_vendor_are_replaced(kind: str) -> None:
    once = with_facts(made(kind), RECORD)
    again = with_facts(once, {**RECORD, "prompt": "an owl", "seed": None})
    assert read(again) == {**{k: v for k, v in SHOWN.items() if k != "seed"}, "prompt": "an owl"}
    found = xmp_of(identify(again)[0], parts(identify(again)[0], again))
    assert found is not None
    assert found[1].count(b"atelier:facts=") == 1


@every_kind
def test_removing_the_facts_changes_no_pixel(kind: str) -> None:
    before = made(kind)
    after = without_facts(with_facts(before, RECORD))
    assert read(after) is None
    assert b"fox" not in after
    assert b"telier" not in after
    assert identify(after) == identify(before)
    assert pixels(after) == pixels(before)
    if not kind.startswith("webp"):  # a simple one stays extended
        assert after == before
    assert without_facts(after) is after
    assert without_facts(before) is before


@every_kind
@pytest.mark.parametrize("rewritten", [False, True])
def test_removing_the_facts_keeps_other_metadata(kind: str, rewritten: bool) -> None:
    theirs = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:v="http://vendor.example/" v:made="by us"/></rdf:RDF></x:xmpmeta>'
    )
    before = made(kind) if kind.startswith("png") else made(kind, xmp=theirs)
    if kind.startswith("png"):
        before = with_chunk(before, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + theirs)
    marked = with_facts(before, RECORD)
    assert read(marked) == SHOWN
    if rewritten:
        found = xmp_of(identify(marked)[0], parts(identify(marked)[0], marked))
        assert found is not None
        packet = found[1].replace(b' xmlns:atelier="urn:atelier:picture:1#" ', b' xmlns:z="z" ')
        marked = with_xmp(identify(marked)[0], marked, parts(identify(marked)[0], marked), packet)
        assert read(marked) == SHOWN
    after = without_facts(marked)
    assert read(after) is None
    assert b"fox" not in after
    assert (b'v:made="by us"' in after) is not rewritten
    assert pixels(after) == pixels(before)


def test_a_signed_file_keeps_even_our_facts() -> None:
    signed = with_chunk(with_facts(made("png"), RECORD), b"caBX", b"a manifest")
    assert has_c2pa(signed)
    assert without_facts(signed) is signed


@given(st.data())
@settings(max_examples=examples(300))
def test_removing_the_facts_never_fails(data: st.DataObject) -> None:
    whole = with_facts(made(data.draw(st.sampled_from(list(KINDS)))), RECORD)
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3)) if broken else 0):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(without_facts(bytes(broken)), bytes)


def with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return png[:33] + chunk + png[33:]


def signed(format: str) -> bytes:
    """An image of each format with a C2PA manifest."""
    box = b"\0\0\0\x20jumb\0\0\0\x18jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03c2pa\0"
    data = made(format)
    match format:
        case "png":
            return with_chunk(data, b"caBX", box)
        case "jpeg":
            body = b"JP\0\1\0\0\0\1" + box
            return data[:2] + b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body + data[2:]
        case _:
            chunk = b"C2PA" + struct.pack("<I", len(box)) + box + b"\0" * (len(box) % 2)
            return b"RIFF" + struct.pack("<I", len(data) - 8 + len(chunk)) + data[8:] + chunk


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_a_signed_file_stays_unchanged_and_the_record_says_so(format: str) -> None:
    before = picture(signed(format))
    assert has_c2pa(before.image_bytes)
    after, record = embed_facts(before, RECORD)
    assert after.image_bytes is before.image_bytes
    assert (record["c2pa"], record["embedded"], record["bytes"]) == (True, False, len(before.image_bytes))


def test_the_record_has_the_new_size_and_that_the_facts_are_embedded() -> None:
    before = picture(made("png"))
    after, record = embed_facts(before, RECORD)
    assert (record["c2pa"], record["embedded"]) == (False, True)
    assert record["bytes"] == len(after.image_bytes) > len(before.image_bytes)
    assert (after.width, after.height, after.format) == (before.width, before.height, before.format)


def test_a_gif_has_no_room_and_stays_as_it_is() -> None:
    out = io.BytesIO()
    Image.new("P", (4, 4)).save(out, "GIF")
    assert with_facts(out.getvalue(), RECORD) == out.getvalue()
    assert read(out.getvalue()) is None
    assert not has_c2pa(out.getvalue())


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_prompt_too_long_for_the_file_is_shortened_there(kind: str) -> None:
    facts = read(with_facts(made(kind), {**RECORD, "prompt": "狐" * 32_000}))
    assert facts is not None
    assert facts["prompt"].endswith("狐…")
    assert len(facts["prompt"]) > 1000
    assert {**facts, "prompt": ""} == {**SHOWN, "prompt": ""}


def test_a_file_with_several_images_stays_unchanged() -> None:
    data = made("jpeg")
    body = b"MPF\0" + b"\0" * 20
    more = data[:2] + b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body + data[2:]
    assert with_facts(more, RECORD) is more


def test_a_compressed_note_is_read_up_to_a_limit() -> None:
    bomb = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"x" * 50_000_000)
    data = with_chunk(made("png"), b"iTXt", bomb)
    assert with_facts(data, RECORD) is data
    assert read(data) is None


@pytest.mark.parametrize(
    "note", ['"', '"{"', '"[1]"', '"null"', '"{&quot;id&quot;:' + "[" * 100_000 + '"', '"\xff"', "'{}'", ">{}<"]
)
def test_forged_facts_are_ignored_or_harmless(note: str) -> None:
    body = b"XML:com.adobe.xmp\0\0\0\0\0<a atelier:facts=" + note.encode("latin-1") + b"/>"
    assert read(with_chunk(made("png"), b"iTXt", body)) in (None, {})


WORDS = st.text(max_size=200)


@given(
    kind=st.sampled_from(sorted(KINDS)),
    prompt=WORDS,
    negative=st.none() | WORDS,
    seed=st.none() | st.integers(0, 2**32 - 1),
    usd=st.none() | st.floats(0, 100),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
@settings(max_examples=examples(250), deadline=None)
def test_all_facts_can_be_read_again(
    kind: str, prompt: str, negative: str | None, seed: int | None, usd: float | None, size: tuple[int, int]
) -> None:
    record = {**RECORD, "prompt": prompt, "negative_prompt": negative, "seed": seed, "actual_usd": usd}
    before = made(kind, size)
    after = with_facts(before, record)
    assert read(after) == {name: record[name] for name in FACTS if record.get(name) is not None}
    assert pixels(after) == pixels(before)


@given(kind=st.sampled_from(sorted(KINDS)), data=st.data())
@settings(max_examples=examples(400), deadline=None)
def test_a_file_that_is_cut_or_scratched_never_fails(kind: str, data: st.DataObject) -> None:
    whole = bytearray(with_facts(made(kind), RECORD) if data.draw(st.booleans()) else made(kind))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    odd = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    after = with_facts(odd, RECORD)
    read(odd)
    has_c2pa(odd)
    assert after is odd or read(after) == SHOWN
