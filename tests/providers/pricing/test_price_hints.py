"""About what a picture costs, for a list; worked out by hand from the vendors' figures of 2026-11-20."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from atelier.providers.core.types import Model
from atelier.providers.pricing.estimate import Hint, table
from atelier.providers.pricing.estimate import hint as hint_of
from atelier.providers.vendors.registry import all_providers

ROWS = {(p.name, row.id): row for p in all_providers() for row in p.models}
SOLD = [key for key, row in ROWS.items() if row.lifecycle.stage != "retired"]
UNPRICED = {
    "flux-2-pro-preview",
    "flux-2-klein-9b-preview",
    "flux-tools/outpainting-v1",
    "lucid-origin", "lucid-realism", "phoenix-1.0", "phoenix-0.9", "kino-xl", "lightning-xl", "leonardo-flux-schnell",
    "leonardo-flux-pro-2.0", "leonardo-gemini-image-2", "leonardo-seedream-5.0-pro", "leonardo-gpt-image-2",
    "leonardo-recraft-v4", "leonardo-universal-upscaler", "leonardo-remove-background", "leonardo-unzoom",
    "midjourney-upscale", "midjourney-vary",
}  # fmt: skip
OPEN = {
    "flux-3-image",  # 1.5k and more are not published
    "flux-tools/erase-v1",  # as large as its source
}
"""Models whose dearest choice has no known price."""


def row(provider: str, id: str) -> Model:
    return ROWS[provider, id]


def hint(provider: str, model: Model) -> Hint | None:
    return hint_of(table(), provider, model)


@pytest.mark.parametrize(
    ("provider", "id", "low", "high"),
    [
        ("openai", "gpt-image-2.5-flare", "0.00588", "0.21072"),  # 196 and 7024 tokens at $30 a million
        ("openai", "gpt-image-2.6-sunburst", "0.01764", "0.21072"),  # low is known as 588 to 784 tokens
        ("openai", "gpt-image-1.5", "0.009", "0.2"),  # a picture, low square to high oblong
        ("openai", "chatgpt-image-latest", "0.009", "0.2"),  # the grid of 1.5
        ("gemini", "gemini-3-pro-image", "0.1344", "0.24"),  # 1120 tokens at 1k, 2000 at 4k, at $120
        ("gemini", "gemini-3.1-flash-image", "0.04482", "0.1512"),  # 747 at 512, 2520 at 4k, at $60
        ("gemini", "gemini-nano-banana-2.1", "0.0336", "0.0756"),  # 1120 at 1k, at most 2520 at 4k, at $30
        ("openai", "gpt-image-1-mini", "0.002176", "0.052"),  # 272 tokens at $8, where the table says 0.005
        ("flux", "flux-2-pro", "0.03", "0.075"),  # 1 MP; 4 MP are 3 more at $0.015
        ("flux", "flux-3-image", "0.041", None),
        ("flux", "flux-3-image-klein", "0.008", "0.036"),
        ("flux", "flux-tools/erase-v1", "0.03", None),
        ("xai", "grok-imagine-image", "0.02", "0.02"),
        ("xai", "grok-imagine-image-2.0", "0.04", "0.08"),
        ("xai", "grok-imagine-image-quality", "0.04", "0.06"),  # served and billed as 2.0 at quality low
        ("stability", "stable-image-core", "0.03", "0.03"),  # 3 credits
        ("stability", "stable-image-upscale-creative", "0.6", "0.6"),  # 60 credits
        ("sketch", "sketch", "0", "0"),
    ],
)
def test_a_hint_worked_out_by_hand(provider: str, id: str, low: str, high: str | None) -> None:
    found = hint(provider, row(provider, id))
    assert found is not None
    assert found.low_usd == Decimal(low)
    assert found.high_usd == (None if high is None else Decimal(high))


def test_a_hint_has_the_oldest_date_and_every_source_of_its_figures() -> None:
    found = hint("openai", row("openai", "gpt-image-2.5-flare"))
    assert found is not None
    assert (found.as_of, found.source) == ("2026-09", "litellm-1.109.1, third-party-2.5-table")


@pytest.mark.parametrize(("provider", "id"), SOLD)
def test_every_model_that_is_sold_has_a_hint_or_is_known_to_have_none(provider: str, id: str) -> None:
    found = hint(provider, row(provider, id))
    assert (found is None) == (id in UNPRICED)
    if found:
        assert (found.high_usd is None) == (id in OPEN)
        assert 0 <= found.low_usd <= (found.low_usd if found.high_usd is None else found.high_usd)
        assert (found.low_usd == 0) == (provider in ("sketch", "sd-webui", "comfyui"))


def test_a_hint_is_of_what_the_row_offers() -> None:
    flare = row("openai", "gpt-image-2.5-flare")
    cheap = hint("openai", replace(flare, qualities=("auto", "low")))
    assert cheap is not None
    assert cheap.low_usd == cheap.high_usd == Decimal("0.00588")
    wider = hint("openai", replace(flare, qualities=("low", "ultra")))
    assert wider is not None
    assert (wider.low_usd, wider.high_usd) == (Decimal("0.00588"), None)
    assert hint("openai", replace(flare, qualities=("ultra",))) is None


def test_what_is_not_in_the_table_has_no_hint() -> None:
    flare = row("openai", "gpt-image-2.5-flare")
    assert hint("openai", replace(flare, id="gpt-image-9")) is None
    assert hint("xai", flare) is None
