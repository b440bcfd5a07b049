"""What the journal keeps of a request and of its end: there and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.sizes import ResizeSpec
from atelier.providers.core.types import ImageRequest, Operation, Picture
from atelier.providers.images.sources import normalise_source
from atelier.providers.jobs.stored_job import decode_error, decode_request, encode_error, encode_request, fingerprint
from atelier.providers.pipeline.admit import check_and_price
from atelier.providers.pipeline.job_store import JobRow
from atelier.providers.pipeline.states import JobState
from tests.conftest import png

CATALOG = Catalog(lambda name: None)
FOX = ImageRequest(prompt="a fox", model="openai", size="1024x1024", quality="low")
EDIT = ImageRequest(
    operation=Operation.EDIT, prompt="red", model="openai", sources=(normalise_source(png(64, 64)),), parent="img_x"
)


def mark(request: ImageRequest, inline: bool = False) -> str:
    return fingerprint(check_and_price(CATALOG, request), inline)


@pytest.mark.parametrize(
    "request_",
    [
        FOX,
        EDIT,
        replace(FOX, deliver=ResizeSpec(size=(100, 50), fit="pad", max_kb=40)),
        replace(FOX, options={"moderation": "low"}, count=3, background="transparent"),
    ],
    ids=["plain", "edit", "delivered", "more"],
)
def test_a_request_comes_back_without_its_pictures_and_with_its_model(request_: ImageRequest) -> None:
    kept = encode_request(check_and_price(CATALOG, request_))
    expected = replace(request_, model="openai/gpt-image-2.5-flare", sources=(), mask=None)
    assert decode_request(kept) == expected


def test_the_same_call_has_the_same_fingerprint_however_its_model_was_named() -> None:
    assert mark(FOX) == mark(replace(FOX, model="gpt-image-2.5-flare")) == mark(replace(FOX, model=" OpenAI "))


def test_notes_on_a_request_are_neither_part_of_it_nor_kept_but_told() -> None:
    noted = replace(FOX, notes=("Style noir: added “dark”.",), applied_style="noir")
    priced = check_and_price(CATALOG, noted)
    assert "Style noir: added “dark”." in priced.warnings
    assert decode_request(encode_request(priced)).applied_style == "noir"
    assert "dark" not in str(encode_request(priced))
    assert mark(noted) == mark(replace(noted, notes=()))


def test_what_a_source_file_is_called_is_neither_asked_nor_kept() -> None:
    (fox,) = EDIT.sources
    named = replace(EDIT, sources=(replace(fox, name="alice.png"),))
    assert mark(named) == mark(EDIT)
    assert "alice" not in str(encode_request(check_and_price(CATALOG, named)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"size": None}, {"size": "auto"}),
        ({"quality": None}, {"quality": "auto"}),
        ({"background": None}, {"background": "auto"}),
        ({"size": "1024x1024"}, {"size": "1024 x 1024"}),
        ({"size": "1024x1024"}, {"size": "1024×1024"}),
        ({"prompt": "a fox"}, {"prompt": " a fox\n"}),
    ],
    ids=str,
)
def test_the_same_call_has_the_same_fingerprint_in_other_words(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert mark(replace(FOX, **one)) == mark(replace(FOX, **other))


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt": "a fax"}, {"count": 2}, {"quality": "high"}, {"size": "1024x1536"}, {"model": "gpt-image-2"},
        {"size": "auto"}, {"prompt": "a  fox"},
        {"options": {"moderation": "low"}}, {"deliver": ResizeSpec(max_kb=40)}, {"output_format": "jpeg"},
    ],
    ids=str,
)  # fmt: skip
def test_another_call_has_another_fingerprint(changed: dict[str, Any]) -> None:
    assert mark(FOX) != mark(replace(FOX, **changed))
    assert mark(FOX, True) != mark(FOX)


def test_sources_count_by_their_content() -> None:
    same, other = normalise_source(png(64, 64)), normalise_source(png(64, 64, "orange"))
    assert mark(EDIT) == mark(replace(EDIT, sources=(same,)))
    assert mark(EDIT) != mark(replace(EDIT, sources=(other,)))
    assert mark(EDIT) != mark(replace(EDIT, sources=(same, other)))


def test_a_mask_counts_by_its_content() -> None:
    def masked(mask: Picture | None) -> str:
        return mark(replace(EDIT, operation=Operation.INPAINT if mask else Operation.EDIT, mask=mask))

    left, right = (
        normalise_source(png(64, 64, (0, 0, 0, 0), "RGBA")),
        normalise_source(png(64, 64, (9, 9, 9, 0), "RGBA")),
    )
    assert masked(left) == masked(replace(left))
    assert len({masked(left), masked(right), masked(None)}) == 3
    assert mark(replace(EDIT, mask=left)) != mark(replace(EDIT, sources=(*EDIT.sources, left)))  # in another role


def test_an_error_comes_back_with_what_may_be_kept_of_it() -> None:
    error = ImageError(Reason.TIMEOUT, "Late.", hint="Look.", facts={"outcome": "unknown", "secret": "sk-1"})
    told = encode_error(error)
    row = JobRow(
        id="job_1",
        caller="1",
        fingerprint="",
        owner="",
        request={},
        state=JobState.OUTCOME_UNKNOWN,
        outcome=told,
        delivered=False,
        created_at=datetime.now(UTC),
        reserved_usd=Decimal(0),
    )
    back = decode_error(row)
    assert (back.reason, back.message, back.hint, back.outcome_unknown) == (Reason.TIMEOUT, "Late.", "Look.", True)
    assert "sk-1" not in str(told)
    assert back.facts["job"] == "job_1"
