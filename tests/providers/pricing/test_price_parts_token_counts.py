"""How tokens are counted, held to every figure of the vendors that was seen by 2026-11-20."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier.providers.core.sizes import parse_size
from atelier.providers.pricing.price_parts import output_tokens, patch_tokens, prompt_tokens, tile_tokens

GRIDS = {"gpt-image-2": (16, 48, 96), "gpt-image-2.5": (16, 24, 48, 64, 96)}
"""By quality: low, medium, high; and low, medium, high, xhigh, max."""

POINTS = {
    "1024x1024": (196, 439, 1756, 3122, 7024),
    "1536x1024": (158, 343, 1372, 2459, 5488),
    "1536x864": (120, 280, 1078, 1917, 4312),
    "1792x1024": (139, 323, 1243, 2271, 5063),
    "2048x1152": (157, 367, 1413, 2511, 5650),
    "2048x2048": (397, 892, 3568, 6343, 14272),
    "2560x1440": (205, 478, 1843, 3276, 7370),
    "2880x2880": (659, 1483, 5930, 10542, 23719),
    "3840x2160": (371, 865, 3336, 5930, 13342),
}
"""The calculator's points for 2.5; 2 has low, high and max of them as low, medium and high."""

edges = st.integers(1, 200_000)


def edges_of(size: str) -> tuple[int, int]:
    found = parse_size(size)
    assert found
    return found


@pytest.mark.parametrize(("size", "tokens"), POINTS.items())
def test_the_calculators_points_in_both_orientations(size: str, tokens: tuple[int, ...]) -> None:
    width, height = edges_of(size)
    for edge in ((width, height), (height, width)):
        assert tuple(output_tokens(grid, *edge) for grid in GRIDS["gpt-image-2.5"]) == tokens
        assert tuple(output_tokens(grid, *edge) for grid in GRIDS["gpt-image-2"]) == (tokens[0], tokens[2], tokens[4])


@pytest.mark.parametrize(
    ("grid", "size", "tokens"), [(96, "3584x2048", 12329), (16, "3472x1488", 201), (16, "2560x1440", 205)]
)
def test_points_that_were_measured_besides(grid: int, size: str, tokens: int) -> None:
    assert output_tokens(grid, *edges_of(size)) == tokens


@given(grid=st.integers(1, 200), width=edges, height=edges, count=st.integers(1, 10))
def test_more_pictures_take_more_tokens_and_are_rounded_once(grid: int, width: int, height: int, count: int) -> None:
    one, several = output_tokens(grid, width, height), output_tokens(grid, width, height, count)
    assert output_tokens(grid, width, height, count + 1) >= several
    assert count * (one - 1) <= several <= count * one


@pytest.mark.parametrize(("size", "tokens"), [("1024x1024", 1024), ("3840x2160", 1508), ("32x32", 1), ("33x32", 2)])
def test_source_pictures_in_patches(size: str, tokens: int) -> None:
    assert patch_tokens(*edges_of(size)) == tokens


@given(width=edges, height=edges)
def test_patches_stay_within_their_limit_and_do_not_know_up_from_down(width: int, height: int) -> None:
    assert 1 <= patch_tokens(width, height) <= 1536
    assert patch_tokens(width, height) == patch_tokens(height, width)


@pytest.mark.parametrize(
    ("size", "tokens", "faithful"),
    [("1024x1024", 65 + 129, 4160), ("1024x1536", 65 + 2 * 129, 6240), ("300x100", 65 + 3 * 129, 6240)],
)
def test_source_pictures_in_tiles(size: str, tokens: int, faithful: int) -> None:
    assert tile_tokens(*edges_of(size)) == tokens
    assert tile_tokens(*edges_of(size), high_fidelity=True) == tokens + faithful


def test_a_prompt_is_counted_by_its_bytes() -> None:
    assert [prompt_tokens(text) for text in ("", "a", "a fox", "灯台", "\ud800")] == [0, 1, 2, 2, 1]
