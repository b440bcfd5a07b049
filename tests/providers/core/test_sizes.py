"""Tests of sizes and ratios: parsing, and the rules of models."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier.providers.core.sizes import RESOLUTION_PIXELS, SizeRule, parse_ratio, parse_size
from atelier.providers.vendors.openai.models import FREE_SIZES


@pytest.mark.parametrize("text", ["1536x1024", " 1536 X 1024 ", "1536×1024", "1536*1024"])
def test_a_size_may_have_spaces_and_other_separators(text: str) -> None:
    assert parse_size(text) == (1536, 1024)


@pytest.mark.parametrize("text", ["", "auto", "1024", "0x10", "10x0", "-1x5", "1024x", "axb", "1e3x1e3", "9999999x1"])
def test_other_text_is_not_a_size(text: str) -> None:
    assert parse_size(text) is None


@pytest.mark.parametrize(
    ("text", "ratio"), [("16:9", Fraction(16, 9)), ("19.5:9", Fraction(13, 6)), ("1 / 2", Fraction(1, 2))]
)
def test_ratios_are_exact(text: str, ratio: Fraction) -> None:
    assert parse_ratio(text) == ratio


@pytest.mark.parametrize("text", ["", "16", "0:1", "1:0", "0.0:1", "a:b", "1:2:3", "-1:2"])
def test_other_text_is_not_a_ratio(text: str) -> None:
    assert parse_ratio(text) is None


@given(st.text())
def test_no_text_breaks_the_parsers(text: str) -> None:
    size, ratio = parse_size(text), parse_ratio(text)
    assert size is None or min(size) > 0
    assert ratio is None or ratio > 0


@pytest.mark.parametrize(
    ("ratio", "tier", "size"),
    [
        ("1:1", "1k", (1024, 1024)),
        ("16:9", "1k", (1280, 720)),
        ("16:9", "2k", (2816, 1584)),
        ("16:9", "4k", (3840, 2160)),
        ("9:16", "4k", (2160, 3840)),
        ("1:1", "4k", (2880, 2880)),
        ("3:1", "1k", (1776, 592)),
    ],
)
def test_a_ratio_and_a_resolution_give_a_size(ratio: str, tier: str, size: tuple[int, int]) -> None:
    shape = parse_ratio(ratio)
    assert shape is not None
    assert FREE_SIZES.fit(shape, RESOLUTION_PIXELS[tier]) == size


def test_a_ratio_beyond_the_bounds_has_no_size() -> None:
    assert FREE_SIZES.fit(Fraction(5), RESOLUTION_PIXELS["1k"]) is None


RULES = [
    FREE_SIZES,
    SizeRule(min_edge=64, max_edge=4096, max_pixels=4096**2, max_ratio=64),
    SizeRule(step=32, min_edge=256, max_edge=1440, max_pixels=1440**2, max_ratio=6),
    SizeRule(step=16, min_edge=64, max_edge=4096, max_pixels=4_000_000, max_ratio=64),
]


@given(
    rule=st.sampled_from(RULES),
    across=st.integers(1, 64),
    down=st.integers(1, 64),
    tier=st.sampled_from(sorted(RESOLUTION_PIXELS)),
)
def test_a_fitted_size_is_allowed_and_has_nearly_the_ratio(rule: SizeRule, across: int, down: int, tier: str) -> None:
    ratio = Fraction(across, down)
    size = rule.fit(ratio, RESOLUTION_PIXELS[tier])
    if size is None:
        assert (
            max(ratio, 1 / ratio) > rule.max_ratio * 0.6 or rule.max_edge / max(ratio, 1 / ratio) < rule.min_edge * 1.5
        )
        return
    assert rule.allows(*size)
    coarse = 2 * rule.step / min(size)
    assert abs(size[0] / size[1] / ratio - 1) <= 0.02 + 2 * coarse
