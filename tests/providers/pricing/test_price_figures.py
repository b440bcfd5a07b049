"""One expected price for each figure of prices.json, so that a figure that is wrong, doubled or swapped is noticed.

The amounts were worked out from the vendors' own pages and tables (gathered on 2026-11-20, see `sources` there), not
from prices.json: a new figure needs its expected price here or in the bench of its vendor; the last tests check that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from atelier.providers.core.results import Usage
from atelier.providers.core.sizes import parse_size
from atelier.providers.core.types import ImageRequest, Model, Picture
from atelier.providers.pricing.estimate import actual, estimate
from atelier.providers.pricing.price_table import Figure, Prices, table
from atelier.providers.vendors.contract import Job, Provider, Reply
from atelier.providers.vendors.registry import all_providers
from tests.conformance.benches import BENCHES

ROWS: dict[str, tuple[Provider, Model]] = {row.id: (p, row) for p in all_providers() for row in p.models}

PROMPT = "a lighthouse at dusk"  # 20 letters are 5 tokens, to which OpenAI adds 6
SOURCE = Picture(b"", "png", 1024, 1024)  # 1024 patches, or 65 + 129 tokens in tiles
TWICE_AS_TALL = Picture(b"", "png", 1024, 2048)

EXPECTED: tuple[tuple[str, str, str], ...] = (
    # OpenAI: a picture has its price in the vendor's table (litellm 1.109.1 of 2026-11-12 and the model pages of
    # 2026-11). The image guide of 2025-12 counts 272, 408, 400, 1056, 1584, 1568, 4160, 6240 and 6208 tokens, and where
    # these come to something else at $32, $40 or $8 a million, that is the other end of a range.
    # 143 text tokens at $10 a million may come besides with 1.5.
    ("gpt-image-1.5", "low 1024x1024", "0.009 0.009 0.01043"),
    ("gpt-image-1.5", "low 1024x1536", "0.013 0.013 0.01443"),
    ("gpt-image-1.5", "low 1536x1024", "0.013 0.013 0.01443"),
    ("gpt-image-1.5", "medium 1024x1024", "0.034 0.034 0.03543"),
    ("gpt-image-1.5", "medium 1024x1536", "0.05 0.05 0.05143"),
    ("gpt-image-1.5", "medium 1536x1024", "0.05 0.05 0.05143"),
    ("gpt-image-1.5", "high 1024x1024", "0.133 0.133 0.13443"),
    ("gpt-image-1.5", "high 1024x1536", "0.2 0.2 0.20143"),
    ("gpt-image-1.5", "high 1536x1024", "0.198656 0.2 0.20143"),
    ("gpt-image-1.5", "low 1024x1024 +prompt", "0.009055 0.009055 0.010485"),
    ("gpt-image-1.5", "low 1024x1024 +source", "0.010552 0.010552 0.011982"),
    ("gpt-image-1.5", "low 1024x1024 +partial", "0.009 0.0122 0.01363"),
    ("gpt-image-1", "low 1024x1024", "0.011"),
    ("gpt-image-1", "low 1024x1536", "0.016"),
    ("gpt-image-1", "low 1536x1024", "0.016"),
    ("gpt-image-1", "medium 1024x1024", "0.042"),
    ("gpt-image-1", "medium 1024x1536", "0.063"),
    ("gpt-image-1", "medium 1536x1024", "0.063"),
    ("gpt-image-1", "high 1024x1024", "0.167"),
    ("gpt-image-1", "high 1024x1536", "0.25"),
    ("gpt-image-1", "high 1536x1024", "0.24832 0.25 0.25"),
    ("gpt-image-1", "low 1024x1024 +prompt", "0.011055"),
    ("gpt-image-1", "low 1024x1024 +source", "0.01294"),
    ("gpt-image-1", "low 1024x1024 +partial", "0.011 0.015 0.015"),
    ("gpt-image-1-mini", "low 1024x1024", "0.002176 0.005 0.005"),
    ("gpt-image-1-mini", "low 1024x1536", "0.003264 0.006 0.006"),
    ("gpt-image-1-mini", "low 1536x1024", "0.0032 0.006 0.006"),
    ("gpt-image-1-mini", "medium 1024x1024", "0.008448 0.011 0.011"),
    ("gpt-image-1-mini", "medium 1024x1536", "0.012672 0.015 0.015"),
    ("gpt-image-1-mini", "medium 1536x1024", "0.012544 0.015 0.015"),
    ("gpt-image-1-mini", "high 1024x1024", "0.03328 0.036 0.036"),
    ("gpt-image-1-mini", "high 1024x1536", "0.04992 0.052 0.052"),
    ("gpt-image-1-mini", "high 1536x1024", "0.049664 0.052 0.052"),
    ("gpt-image-1-mini", "low 1024x1024 +prompt", "0.002198 0.005022 0.005022"),
    ("gpt-image-1-mini", "low 1024x1024 +source", "0.002661 0.005485 0.005485"),
    ("gpt-image-1-mini", "low 1024x1024 +partial", "0.002176 0.0058 0.0058"),
    # Priced by the grid of 1.5, as the ordering documents have it (S3).
    ("chatgpt-image-latest", "low 1024x1024", "0.009"),
    ("chatgpt-image-latest", "low 1024x1536", "0.013"),
    ("chatgpt-image-latest", "low 1536x1024", "0.013"),
    ("chatgpt-image-latest", "medium 1024x1024", "0.034"),
    ("chatgpt-image-latest", "medium 1024x1536", "0.05"),
    ("chatgpt-image-latest", "medium 1536x1024", "0.05"),
    ("chatgpt-image-latest", "high 1024x1024", "0.133"),
    ("chatgpt-image-latest", "high 1024x1536", "0.2"),
    ("chatgpt-image-latest", "high 1536x1024", "0.198656 0.2 0.2"),
    ("chatgpt-image-latest", "low 1024x1024 +prompt", "0.009055"),
    ("chatgpt-image-latest", "low 1024x1024 +source", "0.010552"),
    ("chatgpt-image-latest", "low 1024x1024 +partial", "0.009 0.0122 0.0122"),
    # The vendor's calculator counts 196, 1756 and 7024 tokens for 2, and 196, 439, 1756, 3122 and 7024 for 2.5
    # (OpenAI's forum, 2026-05; measured 2026-09), at $30 a million. 2.6 takes 3 to 4 times as many at low and medium
    # (a reseller's note of 2026-11-05). Left open, the quality is likely low.
    ("gpt-image-2", "1024x1024", "0.00588 0.00588 0.21072"),
    ("gpt-image-2", "low 1024x1024", "0.00588"),
    ("gpt-image-2", "medium 1024x1024", "0.05268"),
    ("gpt-image-2", "high 1024x1024", "0.21072"),
    ("gpt-image-2", "low 1024x1024 +prompt", "0.005935"),
    ("gpt-image-2", "low 1024x1024 +prompt +source", "0.014127"),
    ("gpt-image-2", "low 1024x1024 +partial", "0.00588 0.00888 0.00888"),
    ("gpt-image-2.5-flare gpt-image-2.5-sunburst", "1024x1024", "0.00588 0.00588 0.21072"),
    ("gpt-image-2.5-flare gpt-image-2.5-sunburst", "low 1024x1024", "0.00588"),
    ("gpt-image-2.5-flare gpt-image-2.5-sunburst", "medium 1024x1024", "0.01317"),
    ("gpt-image-2.5-flare gpt-image-2.5-sunburst", "high 1024x1024", "0.05268"),
    ("gpt-image-2.5-flare gpt-image-2.5-sunburst", "xhigh 1024x1024", "0.09366"),
    ("gpt-image-2.5-flare gpt-image-2.5-sunburst", "max 1024x1024", "0.21072"),
    ("gpt-image-2.5-flare gpt-image-2.5-sunburst", "low 1024x1024 +prompt", "0.005935"),
    ("gpt-image-2.5-flare gpt-image-2.5-sunburst", "low 1024x1024 +prompt +source", "0.014177"),
    ("gpt-image-2.5-flare gpt-image-2.5-sunburst", "low 1024x1024 +partial", "0.00588 0.00888 0.00888"),
    ("gpt-image-2.6-flare gpt-image-2.6-sunburst", "low 1024x1024", "0.01764 0.02352 0.02352"),
    ("gpt-image-2.6-flare gpt-image-2.6-sunburst", "medium 1024x1024", "0.03951 0.05268 0.05268"),
    ("gpt-image-2.6-flare gpt-image-2.6-sunburst", "high 1024x1024", "0.05268"),
    ("gpt-image-2.6-flare gpt-image-2.6-sunburst", "xhigh 1024x1024", "0.09366"),
    ("gpt-image-2.6-flare gpt-image-2.6-sunburst", "max 1024x1024", "0.21072"),
    ("gpt-image-2.6-flare gpt-image-2.6-sunburst", "high 1024x1024 +prompt", "0.052735"),
    ("gpt-image-2.6-flare gpt-image-2.6-sunburst", "high 1024x1024 +prompt +source", "0.060977"),
    ("gpt-image-2.6-flare gpt-image-2.6-sunburst", "high 1024x1024 +partial", "0.05268 0.05568 0.05568"),
    # ComfyUI's partner prices of 2026-08-07.
    ("dall-e-2", "256x256", "0.016"),
    ("dall-e-2", "512x512", "0.018"),
    ("dall-e-2", "1024x1024", "0.02"),
    ("dall-e-3", "standard 1024x1024", "0.04"),
    ("dall-e-3", "standard 1024x1792", "0.08"),
    ("dall-e-3", "standard 1792x1024", "0.08"),
    ("dall-e-3", "hd 1024x1024", "0.08"),
    ("dall-e-3", "hd 1024x1792", "0.12"),
    ("dall-e-3", "hd 1792x1024", "0.12"),
    # Gemini (Google's documents, as litellm 1.109.1 of 2026-11-12 has them): 747, 1120, 1680, 2000 and 2520 tokens at
    # $30, $120 and $60 a million; Nano Banana 2.1 takes at most 1680 and 2520 above 1k. Thoughts, of which 2000 tokens
    # are allowed for, cost $7.5, $12, $1.5 and $3 a million. Nothing said is 1k.
    ("gemini-nano-banana-2.1", "", "0.0336 0.0336 0.0486"),
    ("gemini-nano-banana-2.1", "1k", "0.0336 0.0336 0.0486"),
    ("gemini-nano-banana-2.1", "2k", "0.0336 0.0504 0.0654"),
    ("gemini-nano-banana-2.1", "4k", "0.0336 0.0756 0.0906"),
    ("gemini-nano-banana-2.1", "1k +source", "0.03528 0.03528 0.05028"),
    ("gemini-3-pro-image", "", "0.1344 0.1344 0.1584"),
    ("gemini-3-pro-image", "1k", "0.1344 0.1344 0.1584"),
    ("gemini-3-pro-image", "2k", "0.1344 0.1344 0.1584"),
    ("gemini-3-pro-image", "4k", "0.24 0.24 0.264"),
    ("gemini-3-pro-image", "1k +source", "0.1355 0.1355 0.1595"),
    ("gemini-3.1-flash-lite-image", "", "0.0336 0.0336 0.0366"),
    ("gemini-3.1-flash-lite-image", "1k", "0.0336 0.0336 0.0366"),
    ("gemini-3.1-flash-lite-image", "1k +source", "0.03388 0.03388 0.03688"),
    ("gemini-3.1-flash-image", "", "0.0672 0.0672 0.0732"),
    ("gemini-3.1-flash-image", "512", "0.04482 0.04482 0.05082"),
    ("gemini-3.1-flash-image", "1k", "0.0672 0.0672 0.0732"),
    ("gemini-3.1-flash-image", "2k", "0.1008 0.1008 0.1068"),
    ("gemini-3.1-flash-image", "4k", "0.1512 0.1512 0.1572"),
    ("gemini-3.1-flash-image", "1k +source", "0.06776 0.06776 0.07376"),
    ("gemini-2.5-flash-image", "", "0.0387"),
    ("gemini-2.5-flash-image", "+source", "0.039036"),
    ("imagen-3.0-generate-001", "", "0.04"),
    ("imagen-3.0-fast-generate-001", "", "0.02"),
    ("imagen-3.0-generate-002 imagen-4.0-generate-001", "", "0.04"),
    ("imagen-4.0-fast-generate-001", "", "0.02"),
    ("imagen-4.0-ultra-generate-001", "", "0.06"),
    # FLUX (Black Forest Labs' pricing page and ComfyUI's partner prices of 2026-08): one megapixel, then four. The
    # eraser bills two megapixels for the picture that it is given. FLUX 3 by public gateways in 2026-10, 1k at first.
    ("flux-2-pro", "1024x1024", "0.03"),
    ("flux-2-pro", "2048x2048", "0.075"),
    ("flux-2-max", "1024x1024", "0.07"),
    ("flux-2-max", "2048x2048", "0.16"),
    ("flux-2-flex", "1024x1024", "0.05"),
    ("flux-2-flex", "2048x2048", "0.2"),
    ("flux-2-klein-9b", "1024x1024", "0.015"),
    ("flux-2-klein-9b", "2048x2048", "0.021"),
    ("flux-2-klein-4b", "1024x1024", "0.014"),
    ("flux-2-klein-4b", "2048x2048", "0.017"),
    ("flux-tools/erase-v1", "+source", "0.03"),
    ("flux-tools/erase-v1", "+tall", "0.034"),
    ("flux-3-image", "", "0.048"),
    ("flux-3-image", "768sq", "0.041"),
    ("flux-3-image", "1k", "0.048"),
    ("flux-3-image-klein", "", "0.009"),
    ("flux-3-image-klein", "768sq", "0.008"),
    ("flux-3-image-klein", "1k", "0.009"),
    ("flux-3-image-klein", "1.5k", "0.011"),
    ("flux-3-image-klein", "2k", "0.014"),
    ("flux-3-image-klein", "4k", "0.036"),
    ("flux-kontext-pro flux-pro-1.1", "", "0.04"),
    ("flux-kontext-max", "", "0.08"),
    ("flux-pro-1.1-ultra", "", "0.06"),
    ("flux-dev", "", "0.025"),
    ("flux-pro-1.0-fill flux-pro-1.0-expand flux-pro", "", "0.05"),
    ("flux-pro-1.0-canny flux-pro-1.0-depth", "", "0.05"),
    # xAI (litellm 1.109.1 of 2026-11-12, and ComfyUI's partner prices of 2026-08-07 for 2k and for source pictures).
    # Nothing said is 1k, likely at medium.
    ("grok-imagine-image", "", "0.02"),
    ("grok-imagine-image", "1k", "0.02"),
    ("grok-imagine-image", "2k", "0.02"),
    ("grok-imagine-image", "1k +source", "0.022"),
    ("grok-imagine-image-2.0", "", "0.04 0.06 0.06"),
    ("grok-imagine-image-2.0", "low 1k", "0.04"),
    ("grok-imagine-image-2.0", "medium 1k", "0.06"),
    ("grok-imagine-image-2.0", "low 2k", "0.06"),
    ("grok-imagine-image-2.0", "medium 2k", "0.08"),
    ("grok-imagine-image-2.0", "low 1k +source", "0.05"),
    ("grok-imagine-image-quality grok-imagine-image-pro", "", "0.04"),
    ("grok-imagine-image-quality grok-imagine-image-pro", "1k", "0.04"),
    ("grok-imagine-image-quality grok-imagine-image-pro", "2k", "0.06"),
    ("grok-imagine-image-quality grok-imagine-image-pro", "1k +source", "0.05"),
    ("grok-2-image-1212", "", "0.07"),
    # Stability, in credits of one cent (the vendor's OpenAPI document of 2026 and its notice of 2025-08-01).
    ("stable-image-ultra", "", "0.08"),
    ("stable-image-core", "", "0.03"),
    ("sd3.5-large sd3-large", "", "0.065"),
    ("sd3.5-large-turbo sd3-large-turbo", "", "0.04"),
    ("sd3.5-medium sd3-medium", "", "0.035"),
    ("sd3.5-flash", "", "0.025"),
    ("stable-image-erase stable-image-inpaint stable-image-remove-background", "", "0.05"),
    ("stable-image-search-and-replace stable-image-search-and-recolor", "", "0.05"),
    ("stable-image-control-sketch stable-image-control-structure stable-image-control-style", "", "0.05"),
    ("stable-image-outpaint", "", "0.04"),
    ("stable-image-replace-background-and-relight", "", "0.08"),
    ("stable-image-upscale-fast", "", "0.02"),
    ("stable-image-upscale-conservative", "", "0.4"),
    ("stable-image-upscale-creative", "", "0.6"),
    ("sketch", "", "0"),
)
"""Models, what is asked of each, and USD: at least, likely and at most, or one amount that is all three.

Asked in the words of its columns, nothing being left to the vendor; +prompt, +source, +tall and +partial come besides.
"""

KINDS: tuple[tuple[str, dict[str, int]], ...] = (
    ("input_tokens_details", {"text_tokens": 10**6}),
    ("input_tokens_details", {"text_tokens": 10**6, "cached_tokens": 10**6}),
    ("input_tokens_details", {"image_tokens": 10**6}),
    ("input_tokens_details", {"image_tokens": 10**6, "cached_tokens": 10**6}),
    ("output_tokens_details", {"text_tokens": 10**6}),
    ("output_tokens_details", {"image_tokens": 10**6}),
)
"""A million tokens as the vendor counts them: text and pictures that go in, read for the first time and once more;
text and pictures that come out."""

BILLED: tuple[tuple[str, str], ...] = (
    # litellm 1.109.1 of 2026-11-12, OpenAI's model pages of 2026-11. Text that comes out of 2 and later is not billed.
    ("gpt-image-2 gpt-image-2.5-flare gpt-image-2.5-sunburst", "5 1.25 8 2 0 30"),
    ("gpt-image-2.6-flare gpt-image-2.6-sunburst", "5 1.25 8 2 0 30"),
    ("gpt-image-1.5 chatgpt-image-latest", "5 1.25 8 2 10 32"),
    ("gpt-image-1", "5 1.25 10 2.5 0 40"),
    ("gpt-image-1-mini", "2 0.2 2.5 0.25 0 8"),
    # Google says nothing of what was read before: it costs what it did the first time.
    ("gemini-nano-banana-2.1", "1.5 1.5 1.5 1.5 7.5 30"),
    ("gemini-3-pro-image", "2 2 2 2 12 120"),
    ("gemini-3.1-flash-lite-image", "0.25 0.25 0.25 0.25 1.5 30"),
    ("gemini-3.1-flash-image", "0.5 0.5 0.5 0.5 3 60"),
    ("gemini-2.5-flash-image", "0.3 0.3 0.3 0.3 2.5 30"),
)
"""Models, and USD of a million tokens of each of the `KINDS`, once the vendor has counted them."""

Amounts = tuple[Decimal | None, ...]
Case = tuple[str, Callable[[Prices], Amounts], Amounts]
"""The id of a model, what a table of prices makes of a request or an answer, and what it should be."""


def job(id: str, words: str) -> Job:
    provider, row = ROWS[id]
    asked = dict[str, Any](prompt="", quality=None, resolution=None, size=None, sources=(), options={})
    for word in words.split():
        match word:
            case "+prompt":
                asked["prompt"] = PROMPT
            case "+source" | "+tall":
                asked["sources"] = (SOURCE if word == "+source" else TWICE_AS_TALL,)
            case "+partial":
                asked["options"] = {"partial_images": 1}
            case _:
                columns = {"quality": row.qualities, "resolution": row.resolutions}
                asked[next((name for name, offered in columns.items() if word in offered), "size")] = word
    size = parse_size(asked["size"]) if asked["size"] else None
    return Job(id="job_1", request=ImageRequest(**asked), model=row, endpoint=provider.endpoint, size=size)


def estimated(id: str, words: str, prices: Prices) -> Amounts:
    found = estimate(prices, ROWS[id][0].name, job(id, words))
    return (found.low_usd, found.total_usd, found.high_usd) if found else (None,)


def billed(id: str, prices: Prices) -> Amounts:
    made = list[Decimal | None]()
    for name, tokens in KINDS:
        side = {"input_tokens": 10**6} if name.startswith("input") else {"output_tokens": 10**6}
        usage = Usage(**side, details={name: tokens})
        made.append(actual(prices, ROWS[id][0].name, job(id, ""), Reply(pictures=(), usage=usage)))
    return tuple(made)


def cases() -> Iterator[tuple[str, Case]]:
    for ids, words, usd in (*EXPECTED, *(price for bench in BENCHES for price in bench.prices)):
        amounts = tuple(Decimal(amount) for amount in usd.split())
        for id in ids.split():
            yield f"{id} {words}", (id, partial(estimated, id, words), amounts if len(amounts) == 3 else amounts * 3)
    for ids, usd in BILLED:
        for id in ids.split():
            yield f"{id} by its tokens", (id, partial(billed, id), tuple(Decimal(amount) for amount in usd.split()))


CASES = dict(cases())


@pytest.mark.parametrize("name", CASES)
def test_a_figure_comes_to_its_expected_price(name: str) -> None:
    _, made, expected = CASES[name]
    assert made(table()) == expected


def cases_of(id: str) -> list[Case]:
    return [case for case in CASES.values() if case[0] == id]


def changed(entry: Figure) -> Iterator[tuple[str, Figure]]:
    """The entry with one of its figures doubled, and its name; 1 in place of 0. The low end of a range is halved:
    a table whose low end is above the high one is refused as it is read."""
    for name in sorted(entry.model_fields_set):
        match getattr(entry, name):
            case bool():
                pass
            case int() as tokens if name == "tokens_min":
                yield name, entry.model_copy(update={name: tokens // 2})
            case int() | Decimal() as value:
                yield name, entry.model_copy(update={name: 2 * value or type(value)(1)})
            case (int() as least, int() as most):
                yield f"least {name}", entry.model_copy(update={name: (least // 2, most)})
                yield f"most {name}", entry.model_copy(update={name: (least, 2 * most)})
            case _:
                pass


FIGURES = [
    pytest.param(section, index, other, id=f"{section} {index} {name}")
    for section in ("rows", "rates", "tokens")
    for index, entry in enumerate(getattr(table(), section))
    for name, other in changed(entry)
]


def of_one_model(section: str, index: int, id: str, other: Figure) -> Prices:
    """The table where an entry says something else of one of its models."""
    entries: tuple[Figure, ...] = getattr(table(), section)
    spared = tuple(model for model in other.models if model != id)
    rest = (entries[index].model_copy(update={"models": spared}),) if spared else ()
    changed = (other.model_copy(update={"models": (id,)}), *rest)
    return table().model_copy(update={section: (*entries[:index], *changed, *entries[index + 1 :])})


def test_every_row_and_rate_has_a_figure() -> None:
    found = {(str(section), int(str(index))) for section, index, _ in (case.values for case in FIGURES)}
    for section in ("rows", "rates"):
        assert found >= {(section, index) for index in range(len(getattr(table(), section)))}


@pytest.mark.parametrize(("section", "index", "other"), FIGURES)
def test_a_figure_that_is_changed_is_noticed_for_each_of_its_models(section: str, index: int, other: Figure) -> None:
    for id in other.models:
        prices = of_one_model(section, index, id, other)
        assert any(made(prices) != expected for _, made, expected in cases_of(id)), id
