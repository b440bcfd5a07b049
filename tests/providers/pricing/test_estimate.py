"""Estimates before a call, worked out by hand from the vendors' figures of 2026-11-20."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.types import ImageRequest, Model, Operation, Picture
from atelier.providers.pipeline.admit import check_and_price
from atelier.providers.pricing.estimate import Estimate, estimate, table
from atelier.providers.vendors.contract import Job
from atelier.providers.vendors.registry import all_providers
from tests.conftest import TODAY

CATALOG = Catalog(
    {p.endpoint.base_url_variable: "https://gateway.example/v1" for p in all_providers()}.get, lambda: TODAY
)
"""Behind a gateway, which may serve what its vendor has retired."""
EDIT, PROMPT = Operation.EDIT, "a lighthouse at dusk"  # 20 letters: 5 tokens


def of(width: int, height: int) -> Picture:
    return Picture(b"", "png", width, height)


def priced(model: str, prompt: str = PROMPT, n: int = 1, **asked: Any) -> Estimate | None:
    priced = check_and_price(CATALOG, ImageRequest(prompt=prompt, model=model, count=n, **asked))
    return estimate(CATALOG.prices, priced.choice.provider.name, priced.job)


def cost(model: str, **asked: Any) -> Estimate:
    found = priced(model, **asked)
    assert found
    return found


def usd(found: Estimate) -> tuple[Decimal, Decimal, Decimal]:
    return found.low_usd, found.total_usd, found.high_usd


def bare_job(model: str, options: dict[str, Any] | None = None, **asked: Any) -> Job:
    """A job without a prompt, as estimate_cost may have none, and with options that no gate has seen."""
    job = check_and_price(CATALOG, ImageRequest(prompt=PROMPT, model=model, **asked)).job
    return replace(job, request=replace(job.request, prompt="", options=options or {}))


def wordless(model: str, **asked: Any) -> Estimate:
    """What OpenAI's picture costs alone."""
    found = estimate(table(), "openai", bare_job(model, **asked))
    assert found
    return found


SEEDS = [
    ("gpt-image-1.5", "low", "1024x1024", "0.009"),
    ("gpt-image-1.5", "low", "1024x1536", "0.013"),
    ("gpt-image-1.5", "low", "1536x1024", "0.013"),
    ("gpt-image-1.5", "medium", "1024x1024", "0.034"),
    ("gpt-image-1.5", "medium", "1024x1536", "0.05"),
    ("gpt-image-1.5", "medium", "1536x1024", "0.05"),
    ("gpt-image-1.5", "high", "1024x1024", "0.133"),
    ("gpt-image-1.5", "high", "1024x1536", "0.2"),
    ("gpt-image-1.5", "high", "1536x1024", "0.2"),
    ("gpt-image-1", "low", "1024x1024", "0.011"),
    ("gpt-image-1", "low", "1024x1536", "0.016"),
    ("gpt-image-1", "low", "1536x1024", "0.016"),
    ("gpt-image-1", "medium", "1024x1024", "0.042"),
    ("gpt-image-1", "medium", "1024x1536", "0.063"),
    ("gpt-image-1", "medium", "1536x1024", "0.063"),
    ("gpt-image-1", "high", "1024x1024", "0.167"),
    ("gpt-image-1", "high", "1024x1536", "0.25"),
    ("gpt-image-1", "high", "1536x1024", "0.25"),
    ("gpt-image-1-mini", "low", "1024x1024", "0.005"),
    ("gpt-image-1-mini", "low", "1024x1536", "0.006"),
    ("gpt-image-1-mini", "low", "1536x1024", "0.006"),
    ("gpt-image-1-mini", "medium", "1024x1024", "0.011"),
    ("gpt-image-1-mini", "medium", "1024x1536", "0.015"),
    ("gpt-image-1-mini", "medium", "1536x1024", "0.015"),
    ("gpt-image-1-mini", "high", "1024x1024", "0.036"),
    ("gpt-image-1-mini", "high", "1024x1536", "0.052"),
    ("gpt-image-1-mini", "high", "1536x1024", "0.052"),
]
"""The seeds' whole table of January 2026."""


@pytest.mark.parametrize(("model", "quality", "size", "price"), SEEDS)
def test_the_seeds_table(model: str, quality: str, size: str, price: str) -> None:
    bare = wordless(model, quality=quality, size=size)
    assert (bare.basis, bare.per_image_usd) == ("grid", Decimal(price))
    assert 0 < cost(model, quality=quality, size=size, n=3).total_usd - 3 * Decimal(price) < Decimal("0.001")


@pytest.mark.parametrize(("model", "quality", "size", "price"), SEEDS[:9])
def test_chatgpt_image_latest_is_priced_by_the_grid_of_1_5(model: str, quality: str, size: str, price: str) -> None:
    found = wordless("chatgpt-image-latest", quality=quality, size=size)
    assert (found.basis, found.per_image_usd) == ("grid", Decimal(price))


@pytest.mark.parametrize(
    ("quality", "size", "price"),
    [("low", "1024x1024", "0.006"), ("low", "1024x1536", "0.005"), ("low", "1536x1024", "0.005"),
     ("medium", "1024x1024", "0.053"), ("medium", "1024x1536", "0.041"), ("medium", "1536x1024", "0.041"),
     ("high", "1024x1024", "0.211"), ("high", "1024x1536", "0.165"), ("high", "1536x1024", "0.165")],
)  # fmt: skip
def test_the_tokens_of_2_come_to_the_vendors_own_rounded_figures(quality: str, size: str, price: str) -> None:
    assert wordless("gpt-image-2", quality=quality, size=size).total_usd.quantize(Decimal("0.001")) == Decimal(price)


def test_tokens_are_told_with_their_arithmetic() -> None:
    found = cost("gpt-image-2", quality="medium", size="1024x1024")
    assert found.arithmetic == "1,756 output tokens x $30 per million + 11 text tokens x $5 per million"
    assert usd(found) == (Decimal("0.052735"),) * 3
    assert found.basis == "tokens"
    assert found.source == "litellm-1.109.1, openai-forum-formula, third-party-tokens"
    assert found.as_of == "2026-05"
    assert found.notes == ("text tokens are the prompt's bytes / 4",)


def test_without_a_prompt_its_absence_is_told() -> None:
    found = wordless("gpt-image-2", quality="medium", size="1024x1024")
    assert found.total_usd == Decimal("0.05268")
    assert found.notes == ("the prompt is not counted, since there is none",)


def test_a_dated_id_costs_what_its_model_does() -> None:
    assert cost("gpt-image-2-2026-04-21", quality="low", size="2560x1440").total_usd == Decimal("0.006205")
    two = cost("grok-imagine-image-quality-20260403", resolution="2k")
    assert two == cost("grok-imagine-image-quality", resolution="2k")
    assert two.total_usd == Decimal("0.06")
    assert cost("grok-imagine-image-2026-03-02").total_usd == Decimal("0.02")


@pytest.mark.parametrize("asked", [{}, {"quality": "auto"}, {"size": "auto"}, {"quality": "auto", "size": "auto"}])
def test_what_is_left_to_the_vendor_is_a_range(asked: dict[str, Any]) -> None:
    found = cost("gpt-image-2.5-flare", **asked)
    text = Decimal("0.000055")
    assert usd(found) == (158 * 30 / Decimal(10**6) + text, Decimal("0.00588") + text, Decimal("0.21072") + text)
    assert "the quality is left to the vendor, likely low" in found.notes
    assert "the size is left to the vendor, likely 1024x1024" in found.notes
    assert "unverified" in found.source


def test_unverified_tokens_are_a_range_and_the_most_of_it_is_likely() -> None:
    found = cost("gpt-image-2.6-flare", quality="low", size="1024x1024")
    text = Decimal("0.000055")
    assert usd(found) == (Decimal("0.01764") + text, Decimal("0.02352") + text, Decimal("0.02352") + text)
    assert "3 to 4 times the 2.5 count; not verified" in found.notes
    assert cost("gpt-image-2.6-flare", quality="medium", size="1024x1024").high_usd == Decimal("0.05268") + text
    assert cost("gpt-image-2.6-flare", quality="max", size="1024x1024").low_usd == Decimal("0.21072") + text


def test_where_the_vendors_tokens_contradict_its_table_both_are_in_the_range() -> None:
    found = wordless("gpt-image-1-mini", quality="low", size="1024x1024")
    assert usd(found) == (Decimal("0.002176"), Decimal("0.005"), Decimal("0.005"))
    assert "by its tokens, which the vendor counts, an image costs $0.002176" in found.notes


def test_text_that_may_come_with_a_picture_is_allowed_for() -> None:
    found = wordless("gpt-image-1.5", quality="high", size="1024x1024")
    assert usd(found) == (Decimal("0.133"), Decimal("0.133"), Decimal("0.13443"))


def test_partial_pictures_are_100_tokens_each_and_may_not_come() -> None:
    plain = cost("gpt-image-2", quality="low", size="1024x1024", n=2)
    found = cost("gpt-image-2", quality="low", size="1024x1024", n=2, options={"partial_images": 3})
    assert found.low_usd == plain.low_usd
    assert found.total_usd - plain.total_usd == found.high_usd - plain.high_usd == 2 * 3 * Decimal("0.003")
    assert "600 tokens of partial images x $30 per million" in found.arithmetic


def test_an_edit_pays_for_its_sources() -> None:
    given_ = (of(1024, 1024), of(3840, 2160))  # 1024 and 1508 patches
    found = cost("gpt-image-2", operation=EDIT, sources=given_, quality="high", size="1536x1024", n=2)
    assert found.total_usd == (2 * 5488 * 30 + 2 * 11 * 5 + 2 * 2532 * 8) / Decimal(10**6)
    newer = cost("gpt-image-2.5-flare", operation=EDIT, sources=given_, quality="max", size="1536x1024", n=2)
    assert newer.total_usd - found.total_usd == 2 * 20 * 5 / Decimal(10**6)  # 10 text tokens a source
    faithful = bare_job("gpt-image-1.5", quality="low", size="1024x1024", options={"input_fidelity": "high"})
    found = estimate(table(), "openai", replace(faithful, request=replace(faithful.request, sources=(of(512, 512),))))
    assert found
    assert found.total_usd == Decimal("0.009") + (65 + 129 + 4160) * 8 / Decimal(10**6)
    older = cost("gpt-image-1", operation=EDIT, sources=(of(1024, 1536),), quality="low", size="1024x1024")
    assert older.total_usd == Decimal("0.011") + (11 * 5 + 323 * 10) / Decimal(10**6)


@pytest.mark.parametrize(
    ("model", "asked", "low", "total", "high"),
    [
        ("gemini", {}, "0.0336075", "0.0336075", "0.0486075"),  # 5 text tokens at $1.5, up to 2000 thoughts at $7.5
        ("gemini", {"resolution": "4k"}, "0.0336075", "0.0756075", "0.0906075"),
        ("gemini", {"n": 2, "operation": EDIT, "sources": (of(9, 9),)}, "0.070575", "0.070575", "0.100575"),
        ("gemini-3-pro-image", {"resolution": "2k"}, "0.13441", "0.13441", "0.15841"),
        ("gemini-3.1-flash-image", {"resolution": "512"}, "0.0448225", "0.0448225", "0.0508225"),
        ("gemini-2.5-flash-image", {}, "0.0387015", "0.0387015", "0.0387015"),
        ("imagen-4.0-ultra-generate-001", {"n": 4}, "0.24", "0.24", "0.24"),
        ("flux-2-pro", {}, "0.03", "0.03", "0.03"),
        ("flux-2-pro", {"size": "2048x2048"}, "0.075", "0.075", "0.075"),  # 3 further megapixels
        ("flux-2-pro", {"size": "1536x1024", "n": 2}, "0.075", "0.09", "0.09"),  # half a megapixel counts whole
        ("flux-2-pro", {"size": "512x512"}, "0.03", "0.03", "0.03"),
        ("flux-2-pro", {"operation": EDIT, "sources": (of(1024, 1024),)}, "0.045", "0.045", "0.045"),  # bfl-docs
        ("flux-2-max", {"operation": EDIT, "size": "1024x1024", "sources": (of(2048, 1024), of(512, 512))},
         "0.1375", "0.16", "0.16"),  # 2 megapixels and a quarter go in
        ("flux-2-pro", {"operation": EDIT, "sources": (of(4096, 2048),)}, "0.195", "0.195", "0.195"),  # 4 of 8 come out
        ("flux-3-image", {}, "0.048", "0.048", "0.048"),  # 1k is the default
        ("flux-3-image-klein", {"resolution": "4k", "n": 2}, "0.072", "0.072", "0.072"),
        ("flux-kontext-max", {"operation": EDIT, "sources": (of(9, 9),)}, "0.08", "0.08", "0.08"),
        ("flux-pro-1.1", {"size": "1440x1440"}, "0.04", "0.04", "0.04"),
        ("xai", {}, "0.04", "0.06", "0.06"),  # auto is low or medium
        ("xai", {"quality": "low", "resolution": "2k"}, "0.06", "0.06", "0.06"),
        ("xai", {"quality": "medium", "resolution": "2k", "n": 2}, "0.16", "0.16", "0.16"),
        ("xai", {"quality": "low", "n": 3, "operation": EDIT, "sources": (of(9, 9), of(9, 9))}, "0.14", "0.18", "0.18"),
        ("grok-imagine-image", {"operation": EDIT, "sources": (of(9, 9),)}, "0.022", "0.022", "0.022"),
        ("grok-2-image-1212", {}, "0.07", "0.07", "0.07"),
        ("dall-e-3", {"quality": "hd", "size": "1792x1024"}, "0.12", "0.12", "0.12"),
        ("dall-e-3", {}, "0.04", "0.04", "0.12"),
        ("dall-e-2", {"size": "256x256", "n": 3}, "0.048", "0.048", "0.048"),
        ("core", {"n": 3}, "0.09", "0.09", "0.09"),
        ("ultra", {}, "0.08", "0.08", "0.08"),
        ("sd3.5-large", {}, "0.065", "0.065", "0.065"),
        ("stable-image-control-sketch", {"operation": EDIT, "sources": (of(64, 64),)}, "0.05", "0.05", "0.05"),
        ("sketch", {"n": 10}, "0", "0", "0"),
    ],
)  # fmt: skip
def test_a_price_worked_out_by_hand(model: str, asked: dict[str, Any], low: str, total: str, high: str) -> None:
    assert usd(cost(model, **asked)) == (Decimal(low), Decimal(total), Decimal(high))


@pytest.mark.parametrize(
    ("operation", "model", "price", "more"),
    [
        ("erase", "stable-image-erase", "0.05", {"mask": of(64, 64)}),
        ("inpaint", "stable-image-inpaint", "0.05", {"mask": of(64, 64)}),
        ("outpaint", "stable-image-outpaint", "0.04", {"options": {"left": 64}}),
        ("upscale", "stable-image-upscale-fast", "0.02", {}),
        ("upscale", "stable-image-upscale-conservative", "0.4", {}),
        ("upscale", "stable-image-upscale-creative", "0.6", {}),
        ("remove_background", "stable-image-remove-background", "0.05", {}),
        ("replace_background", "stable-image-replace-background-and-relight", "0.08", {}),
        ("search_replace", "stable-image-search-and-replace", "0.05", {"options": {"search": "fox"}}),
        ("recolor", "stable-image-search-and-recolor", "0.05", {"options": {"search": "fox"}}),
        ("erase", "flux-tools/erase-v1", "0.034", {"mask": of(1024, 2048), "sources": (of(1024, 2048),)}),
        ("inpaint", "flux-pro-1.0-fill", "0.05", {"mask": of(64, 64)}),
    ],
)
def test_each_operation_has_its_price(operation: str, model: str, price: str, more: dict[str, Any]) -> None:
    prompt = PROMPT if operation in ("inpaint", "replace_background", "search_replace", "recolor") else ""
    prompt = PROMPT if model in ("stable-image-upscale-conservative", "stable-image-upscale-creative") else prompt
    asked = {"sources": (of(64, 64),), **more}
    found = cost(model, prompt=prompt, operation=Operation(operation), **asked)
    assert usd(found) == (Decimal(price),) * 3
    assert found.basis == ("megapixels" if model.startswith("flux-tools") else found.basis)


def test_the_bases_are_named() -> None:
    named = {model: cost(model).basis for model in ("openai", "gemini", "flux", "xai", "core", "sketch", "flux-dev")}
    assert named == {
        "openai": "tokens", "gemini": "tokens", "flux": "megapixels", "xai": "grid", "core": "credits",
        "sketch": "free", "flux-dev": "flat",
    }  # fmt: skip
    assert cost("core", n=2).arithmetic == "2 x 3 credits x $0.01"
    assert cost("flux-2-pro", size="2048x1536").arithmetic == "$0.03 the first megapixel + 2 x $0.015"
    assert cost("gpt-image-1.5", quality="low", size="1024x1024").arithmetic.startswith("$0.009 an image + 11 text")


@pytest.mark.parametrize(
    ("model", "asked"),
    [("flux-2-pro-preview", {}), ("flux-3-image", {"resolution": "2k"}), ("openai/gpt-image-9", {}),
     ("imagen-3.0-capability-001", {"operation": Operation.INPAINT, "sources": (of(9, 9),), "mask": of(9, 9)})],
)  # fmt: skip
def test_what_has_no_known_price_has_no_estimate(model: str, asked: dict[str, Any]) -> None:
    assert priced(model, **asked) is None


ROWS = [(p.name, p.endpoint, row) for p in all_providers() for row in p.models]
pictures = st.builds(of, st.integers(1, 9000), st.integers(1, 9000))


@st.composite
def jobs(draw: st.DrawFn) -> tuple[str, Job]:
    """Any job of any row, with more on it than a row may take: money must not depend on the gates."""
    provider, endpoint, row = draw(st.sampled_from(ROWS))

    def word(offered: tuple[str, ...]) -> str | None:
        return draw(st.sampled_from((None, "auto", *offered)))

    request = ImageRequest(
        prompt=draw(st.text(max_size=40)),
        count=draw(st.integers(1, 10)),
        quality=word(row.qualities),
        resolution=word(row.resolutions),
        sources=tuple(draw(st.lists(pictures, max_size=3))),
        options={"partial_images": draw(st.sampled_from((None, 0, 3, "3", -3))), "input_fidelity": "high"},
    )
    size = draw(st.none() | st.tuples(st.integers(16, 4096), st.integers(16, 4096)))
    return provider, Job(id="job_1", request=request, model=row, endpoint=endpoint, size=size)


@given(jobs())
def test_money_is_exact_ordered_and_never_negative(made: tuple[str, Job]) -> None:
    found = estimate(table(), *made)
    if found:
        amounts = [getattr(found, field.name) for field in fields(found) if field.name.endswith("_usd")]
        assert all(isinstance(amount, Decimal) and amount.is_finite() for amount in amounts), amounts
        assert 0 <= found.low_usd <= found.total_usd <= found.high_usd
        assert abs(found.per_image_usd * found.count - found.total_usd) < Decimal("1e-20")


@given(jobs(), st.integers(1, 9))
def test_more_pictures_never_cost_less(made: tuple[str, Job], more: int) -> None:
    provider, job = made
    larger = replace(job, request=replace(job.request, count=job.request.count + more))
    one, several = estimate(table(), provider, job), estimate(table(), provider, larger)
    assert (one is None) == (several is None)
    if one and several:
        assert all(less <= much for less, much in zip(usd(one), usd(several), strict=True))


def test_a_row_that_offers_less_has_a_narrower_range() -> None:
    flare: Model = next(row for _, _, row in ROWS if row.id == "gpt-image-2.5-flare")
    endpoint = all_providers()[0].endpoint
    job = Job(id="job_1", request=ImageRequest(prompt=""), model=flare, endpoint=endpoint, size=(1024, 1024))
    narrow = replace(job, model=replace(flare, qualities=("auto", "low", "medium")))
    found = estimate(table(), "openai", narrow)
    assert found
    assert usd(found) == (Decimal("0.00588"), Decimal("0.00588"), Decimal("0.01317"))
    wider = replace(job, model=replace(flare, qualities=("auto", "low", "ultra")))
    assert estimate(table(), "openai", wider) is None  # one way that it may come out has no price


def test_a_default_is_certain_only_where_nothing_is_said() -> None:
    said = bare_job("gemini")
    found = estimate(table(), "gemini", replace(said, request=replace(said.request, resolution="auto")))
    assert found
    assert (found.total_usd, found.high_usd) == (Decimal("0.0336"), Decimal("0.0906"))
    assert "the resolution is left to the vendor, likely 1k" in found.notes


def test_the_price_of_three_images_is_three_times_that_of_one() -> None:
    one, three = (
        cost("gpt-image-2", quality="low", size="1024x1024"),
        cost("gpt-image-2", quality="low", size="1024x1024", n=3),
    )
    assert (one.count, three.count) == (1, 3)
    assert three.per_image_usd * 3 == three.total_usd
    assert abs(three.per_image_usd - one.per_image_usd) < one.per_image_usd / 10  # the prompt is read once


@pytest.mark.parametrize(("images", "calls"), [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_four_images_of_midjourney_are_one_call(images: int, calls: int) -> None:
    found = cost("midjourney-7", quality="fast", n=images)
    assert found.total_usd == calls * Decimal("0.04")
    assert f"{calls} x $0.04 a call of 4 images" in found.arithmetic
