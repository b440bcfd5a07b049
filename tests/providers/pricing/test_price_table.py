"""prices.json: every figure has a source and a date, says something about a row, and decides some estimate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from atelier.providers.core.sizes import parse_size
from atelier.providers.core.types import ImageRequest, Model, Operation, Picture
from atelier.providers.pricing import price_table
from atelier.providers.pricing.estimate import Estimate, estimate
from atelier.providers.pricing.price_parts import tiers
from atelier.providers.pricing.price_table import Figure, Price, PriceEntry, Prices, Tokens, figures, table
from atelier.providers.vendors.contract import Job
from atelier.providers.vendors.registry import all_providers

ROWS = {(p.name, row.id): row for p in all_providers() for row in p.models}
SECTIONS = ("rows", "rates", "tokens", "usual")
UNPRICED = {
    "flux-2-pro-preview", "flux-2-klein-9b-preview", "flux-tools/outpainting-v1", "gemini-3-pro-image-preview",
    "gemini-3.1-flash-image-preview", "gemini-2.0-flash-preview-image-generation",
    "gemini-2.0-flash-exp-image-generation", "imagen-3.0-capability-001", "stable-diffusion-v1-6",
    "lucid-origin", "lucid-realism", "phoenix-1.0", "phoenix-0.9", "kino-xl", "lightning-xl", "leonardo-flux-schnell",
    "leonardo-flux-pro-2.0", "leonardo-gemini-image-2", "leonardo-seedream-5.0-pro", "leonardo-gpt-image-2",
    "leonardo-recraft-v4", "leonardo-universal-upscaler", "leonardo-remove-background", "leonardo-unzoom",
    "midjourney-upscale", "midjourney-vary",
}  # fmt: skip
"""Models of which no price was found. Leonardo's are asked for, or stated in the answer."""
OPEN = {("flux-3-image", tier) for tier in ("1.5k", "2k", "4k")}
"""Choices whose price is not published."""

SOURCES = (Picture(b"", "png", 1024, 1024), Picture(b"", "png", 3000, 1100))


def job(model: Model, size: str | None = None, **asked: Any) -> Job:
    """A job for one picture, as the gates let it pass."""
    provider = next(p for p in all_providers() if model in p.models or any(model.id in m.snapshots for m in p.models))
    request = ImageRequest(prompt="a lighthouse at dusk", size=size, **asked)
    pixels = parse_size(size) if size else None
    return Job(id="job_1", request=request, model=model, endpoint=provider.endpoint, size=pixels)


def sizes(model: Model) -> Iterable[str | None]:
    named = [size for size in model.sizes if size != "auto"]
    return (None, *named, *(("1536x1024", "2000x1000") if model.size_rule else ()))


def asked_for(model: Model) -> Iterator[Job]:
    """Every quality, tier and size that a row offers, nothing said included; with what is paid besides."""
    qualities = (None, *model.qualities)
    for quality, tier, size in product(qualities, (None, *tiers(model)), sizes(model)):
        yield job(model, size, quality=quality, resolution=tier)
    if model.max_sources:
        yield job(model, sources=SOURCES[: model.max_sources], operation=Operation.EDIT)
    if "partial_images" in model.options:
        yield job(model, options={"partial_images": 2})


@cache
def probes() -> dict[tuple[str, str], list[Job]]:
    return {key: list(asked_for(model)) for key, model in ROWS.items()}


def priced(key: tuple[str, str], prices: Prices) -> list[Estimate | None]:
    return [estimate(prices, key[0], job) for job in probes()[key]]


@pytest.mark.parametrize("key", ROWS, ids=lambda key: key[1])
def test_every_choice_of_every_row_has_a_price_with_source_and_date_or_is_known_to_have_none(
    key: tuple[str, str],
) -> None:
    for asked in probes()[key]:
        found = estimate(table(), key[0], asked)
        tier = asked.request.resolution
        assert (found is None) == (key[1] in UNPRICED or (key[1], tier) in OPEN), tier
        if found:
            assert 0 <= found.low_usd <= found.total_usd <= found.high_usd < 10
            assert (found.total_usd == 0) == (key[0] in ("sketch", "sd-webui", "comfyui"))
            assert found.arithmetic
            assert set(found.source.split(", ")) <= set(table().sources)
            assert "2025" <= found.as_of <= table().as_of


SHIPPED = [(section, index) for section in SECTIONS for index in range(len(getattr(table(), section)))]


@pytest.mark.parametrize(("section", "index"), SHIPPED)
def test_no_figure_is_idle(section: str, index: int) -> None:
    """Without it some estimate of a row would be another, or none."""
    entries: tuple[Figure, ...] = getattr(table(), section)
    gone, without = entries[index], entries[:index] + entries[index + 1 :]
    fewer = table().model_copy(update={section: without})
    keys = [(gone.provider, id) for id in gone.models]
    assert set(keys) <= set(ROWS)
    assert any(priced(key, fewer) != priced(key, table()) for key in keys), keys


def test_an_entry_names_only_words_that_its_models_offer() -> None:
    for entry in figures(table()):
        for id in entry.models if isinstance(entry, PriceEntry) else ():
            row = ROWS[entry.provider, id]
            assert isinstance(entry, PriceEntry)
            words, offered = (entry.quality, entry.resolution, entry.size), (row.qualities, tiers(row), row.sizes)
            for word, known in zip(words, offered, strict=True):
                assert word is None or set(word.split("|")) <= set(known), entry


def test_a_figure_is_told_once() -> None:
    told = Counter(
        (type(e), e.provider, id, e.cell if isinstance(e, PriceEntry) else None,
         e.unit if isinstance(e, Price) else None, e.of if isinstance(e, Tokens) else None)
        for e in figures(table()) for id in e.models
    )  # fmt: skip
    assert told.most_common(1)[0][1] == 1


def test_every_source_is_used_and_nothing_is_newer_than_the_table() -> None:
    assert {entry.source for entry in figures(table())} == set(table().sources)
    assert all(entry.as_of <= table().as_of for entry in figures(table()))


def test_the_file_can_be_read_as_rows() -> None:
    file = Path(price_table.__file__).with_name("prices.json")
    assert max(map(len, file.read_text(encoding="utf-8").splitlines())) <= 165


GOOD: dict[str, Any] = {
    "provider": "xai", "models": ("grok",), "unit": "per_image", "usd": Decimal("0.1"), "source": "ours",
    "as_of": "2026-11",
}  # fmt: skip
COUNT: dict[str, Any] = {"provider": "openai", "models": ("gpt",), "source": "ours", "as_of": "2026-11"}


@pytest.mark.parametrize(
    "slip",
    [{"usd": Decimal(-1)}, {"usd": Decimal("NaN")}, {"usd": Decimal("Infinity")}, {"usd_further": Decimal("0.01")},
     {"unit": "per_megapixel"}, {"unit": "per_pixel"}, {"as_of": "soon"}, {"qualty": "x"}, {"models": ()}],
)  # fmt: skip
def test_a_slip_in_a_price_is_refused(slip: dict[str, Any]) -> None:
    assert Price.model_validate(GOOD)
    with pytest.raises(ValidationError):
        Price.model_validate(GOOD | slip)


@pytest.mark.parametrize(
    "slip",
    [{}, {"tokens": -1}, {"tokens": 5, "grid": 16}, {"grid": 0}, {"grid": 16, "times": (4, 3)}, {"tokens_min": 5},
     {"tokens": 9, "tokens_max": 5}, {"tokens": 5, "tokens_min": 6}, {"rule": "pixels"}, {"tokens": 5, "of": "sound"}],
)  # fmt: skip
def test_a_slip_in_a_count_is_refused(slip: dict[str, Any]) -> None:
    assert Tokens.model_validate(COUNT | {"tokens": 5, "tokens_min": 1, "tokens_max": 9})
    with pytest.raises(ValidationError):
        Tokens.model_validate(COUNT | slip)


def test_a_figure_of_nobody_is_refused() -> None:
    with pytest.raises(ValidationError, match="no such source: rumour"):
        Prices(as_of="2026-11-20", rows=(Price.model_validate(GOOD | {"source": "rumour"}),))
