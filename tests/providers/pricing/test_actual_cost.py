"""What a call cost, from what the vendor returned: real answers, through the vendors' own readers where they tell."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.results import Usage
from atelier.providers.core.types import ImageRequest, Operation, Picture
from atelier.providers.pipeline.admit import check_and_price
from atelier.providers.pricing.estimate import actual, estimate, table
from atelier.providers.transport.network.http_client import httpx
from atelier.providers.transport.wire import Wire
from atelier.providers.vendors import gemini, openai
from atelier.providers.vendors.contract import Job, Provider, Reply
from tests.conftest import TODAY

pytestmark = pytest.mark.anyio

PIXEL = pybase64.b64encode_as_string(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fccfc0500f0004850180"
        "84a98c210000000049454e44ae426082"
    )
)
WIDE, SQUARE, SMALL = Picture(b"", "png", 1536, 1024), Picture(b"", "png", 1024, 1024), Picture(b"", "png", 512, 512)


def job(model: str, **asked: Any) -> tuple[str, Job]:
    gateways = {"OPENAI_BASE_URL": "https://gateway.example/v1"}
    priced = check_and_price(Catalog(gateways.get, lambda: TODAY), ImageRequest(prompt="a fox", model=model, **asked))
    return priced.choice.provider.name, priced.job


def cost(model: str, reply: Reply, **asked: Any) -> Decimal | None:
    return actual(table(), *job(model, **asked), reply)


def used(read: dict[str, int], wrote: dict[str, int]) -> Reply:
    details = {"input_tokens_details": read, "output_tokens_details": wrote}
    usage = Usage(input_tokens=sum(read.values()), output_tokens=sum(wrote.values()), details=details)
    return Reply(pictures=(SQUARE,), usage=usage)


async def answered(provider: Provider, made: tuple[str, Job], body: dict[str, Any]) -> Decimal | None:
    """The cost of an answer as the vendor's file reads it."""
    reply = await provider.read(httpx.Response(200, content=json.dumps(body)), made[1], cast("Wire", None))
    return actual(table(), *made, reply)


async def test_openai_by_its_tokens() -> None:
    body = {
        "data": [{"b64_json": PIXEL}],
        "usage": {
            "input_tokens": 1044, "output_tokens": 1756,
            "input_tokens_details": {"text_tokens": 20, "image_tokens": 1024},
            "output_tokens_details": {"image_tokens": 1756, "text_tokens": 0},
        },
    }  # fmt: skip
    made = job("gpt-image-2", quality="medium", size="1024x1024")
    assert await answered(openai.PROVIDER, made, body) == (20 * 5 + 1024 * 8 + 1756 * 30) / Decimal(10**6)


async def test_an_odd_detail_does_not_cost_the_others() -> None:
    body = {
        "data": [{"b64_json": PIXEL}],
        "usage": {
            "input_tokens": 1100, "output_tokens": 100,
            "input_tokens_details": {
                "text_tokens": 100, "image_tokens": 1000, "cached_tokens": 300, "cached_tokens_details": {"x": 1}
            },
        },
    }  # fmt: skip
    made = job("gpt-image-2", quality="low", size="1024x1024")
    paid = (100 * Decimal("1.25") + 800 * 8 + 200 * 2 + 100 * 30) / Decimal(10**6)
    assert await answered(openai.PROVIDER, made, body) == paid


async def test_gemini_by_its_tokens_thoughts_and_words_at_the_price_of_text() -> None:
    body = {
        "candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}]}}],
        "usageMetadata": {
            "promptTokenCount": 1127, "candidatesTokenCount": 1130, "thoughtsTokenCount": 400,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}, {"modality": "IMAGE", "tokenCount": 1120}],
            "candidatesTokensDetails": [
                {"modality": "IMAGE", "tokenCount": 1120}, {"modality": "TEXT", "tokenCount": 10}
            ],
        },
    }  # fmt: skip
    paid = (1127 * Decimal("1.5") + 1120 * 30 + 410 * Decimal("7.5")) / Decimal(10**6)
    assert await answered(gemini.PROVIDER, job("gemini"), body) == paid


def test_the_vendors_own_word_comes_first() -> None:
    said = replace(used({"text_tokens": 9}, {"image_tokens": 9}), cost_usd=Decimal("0.0123"))
    assert cost("gpt-image-2", said) == cost("flux", said) == cost("xai", said) == Decimal("0.0123")
    assert cost("flux-2-pro-preview", said) == Decimal("0.0123")


def test_tokens_come_before_the_price_of_a_picture() -> None:
    """The table of gpt-image-1-mini says 0.005; the vendor bills 272 tokens at $8."""
    reply = used({"text_tokens": 10}, {"image_tokens": 272})
    assert cost("gpt-image-1-mini", reply, quality="low", size="1024x1024") == Decimal("0.002196")
    assert cost("gpt-image-1.5", used({}, {"image_tokens": 272, "text_tokens": 143})) == Decimal("0.010134")


def test_tokens_that_are_not_told_apart() -> None:
    bare = Reply(pictures=(SQUARE,), usage=Usage(input_tokens=100, output_tokens=196))
    assert cost("gpt-image-2", bare) == (100 * 5 + 196 * 30) / Decimal(10**6)
    assert cost("gpt-image-2", bare, operation=Operation.EDIT, sources=(SQUARE,)) == (100 * 8 + 196 * 30) / Decimal(
        10**6
    )


@pytest.mark.parametrize(
    "half",
    [
        Usage(input_tokens=5),
        Usage(input_tokens=5, output_tokens=40, details={"output_tokens_details": {"thought_tokens": 40}}),
    ],
)
def test_a_count_that_leaves_the_picture_out_is_not_the_bill(half: Usage) -> None:
    told = Reply(pictures=(SQUARE,), usage=half)
    assert cost("gpt-image-1-mini", told, quality="low", size="1024x1024") == Decimal("0.005016")  # by the table


def test_what_the_shares_leave_out_is_text() -> None:
    details = {"input_tokens_details": {"text_tokens": 10, "image_tokens": 1024}}
    some = Reply(pictures=(SQUARE,), usage=Usage(input_tokens=1040, output_tokens=196, details=details))
    paid = (16 * 5 + 1024 * 8 + 196 * 30) / Decimal(10**6)
    assert cost("gpt-image-2", some, operation=Operation.EDIT, sources=(SQUARE,)) == paid


def test_without_a_word_of_the_vendor_it_is_the_table_for_what_came() -> None:
    assert cost("core", Reply(pictures=(SQUARE,))) == Decimal("0.03")
    assert cost("flux-2-pro", Reply(pictures=(WIDE,))) == Decimal("0.045")
    assert cost("dall-e-2", Reply(pictures=(SMALL, SMALL)), count=3) == Decimal("0.036")  # 2 of 3 came
    told = Reply(pictures=(WIDE,), details={"quality": "high", "size": "1536x1024"}, usage=Usage())
    assert cost("gpt-image-1.5", told) == Decimal("0.2") + 8 * 5 / Decimal(10**6)  # what auto became
    odd = Reply(pictures=(Picture(b"", "png", 7, 7),), details={"quality": "finest"})
    provider, asked = job("gpt-image-1.5", quality="low", size="1024x1024")
    expected = estimate(table(), provider, asked)
    assert expected
    assert actual(table(), provider, asked, odd) == expected.total_usd


def test_what_has_no_price_has_no_cost() -> None:
    assert cost("flux-2-pro-preview", Reply(pictures=(SQUARE,))) is None
    assert cost("openai/gpt-image-9", used({"text_tokens": 9}, {"image_tokens": 9})) is None
    assert cost("core", Reply(pictures=())) is None


counts = st.dictionaries(
    st.sampled_from(("text_tokens", "image_tokens", "cached_tokens", "thought_tokens", "audio_tokens")),
    st.one_of(st.integers(-5, 10**6), st.none(), st.text(max_size=2)),
)


@given(
    st.sampled_from(("gpt-image-2", "gpt-image-1-mini", "gemini", "gemini-2.5-flash-image")),
    st.integers(0, 10**7), st.integers(0, 10**7), counts, counts,
)  # fmt: skip
def test_a_bill_is_exact_and_never_negative(model: str, read: int, wrote: int, given_: Any, made: Any) -> None:
    details = {"input_tokens_details": given_, "output_tokens_details": made}
    usage = Usage(input_tokens=read, output_tokens=wrote, details=details)
    found = cost(model, Reply(pictures=(SQUARE,), usage=usage))
    assert isinstance(found, Decimal)
    assert found.is_finite()
    assert found >= 0


def test_a_count_of_text_tokens_alone_is_no_bill_of_an_image() -> None:
    asked = {"size": "1024x1024", "quality": "low"}
    by_table = cost("gpt-image-2.5-flare", Reply(pictures=(SQUARE,)), **asked)
    assert by_table
    for wrote in ({"text_tokens": 50}, {"thought_tokens": 50}, {"text_tokens": 20, "thought_tokens": 30}):
        assert cost("gpt-image-2.5-flare", used({"text_tokens": 9}, wrote), **asked) == by_table
    drawn = used({"text_tokens": 9}, {"text_tokens": 50, "image_tokens": 1})
    assert cost("gpt-image-2.5-flare", drawn, **asked) != by_table


def test_fewer_images_than_asked_for_cost_their_share_also_where_the_answer_has_an_unknown_quality() -> None:
    asked = {"size": "1024x1024", "quality": "low"}
    one = cost("gpt-image-2.5-flare", Reply(pictures=(SQUARE,)), **asked)
    assert one
    for details in ({}, {"quality": "unheard-of"}):
        two = Reply(pictures=(SQUARE, SQUARE), details=details)
        assert cost("gpt-image-2.5-flare", two, **asked, count=3) == pytest.approx(2 * one, rel=Decimal("0.02"))
