"""Prices of the user's own catalogue file: they come first, and nothing in them is passed over."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.catalog.catalog_overlay import with_file
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import Usage
from atelier.providers.core.types import ImageRequest, Picture
from atelier.providers.pipeline.admit import check_and_price
from atelier.providers.pricing.estimate import Estimate, actual, estimate
from atelier.providers.pricing.price_table import table
from atelier.providers.vendors.contract import Reply
from atelier.providers.vendors.registry import all_providers
from atelier.server.composition import catalog_of
from atelier.server.settings import Settings
from tests.conftest import TODAY, Environ

INVOICE = {"invoice": {"what": "our invoice", "date": "2027-01", "kind": "vendor_doc"}}
DATED = {"source": "invoice", "as_of": "2027-01"}
ROW: dict[str, Any] = {"provider": "openai", "models": ["gpt-image-2"], "unit": "per_image", "usd": "0.05", **DATED}
RATES: dict[str, Any] = {
    "provider": "openai", "models": ["gpt-image-1.5"], **DATED,
    "text_input": "1", "image_input": "2", "image_output": 10,
}  # fmt: skip


def file(folder: Path, models: list[Any] | None = None, sources: Any = INVOICE, **sections: Any) -> Path:
    path = folder / "catalogue.json"
    path.write_text(json.dumps({"models": models or [], "prices": {"sources": sources, **sections}}))
    return path


def catalog(path: Path) -> Catalog:
    providers, prices = with_file(all_providers(), path)
    return Catalog(dict[str, str]().get, lambda: TODAY, lambda: (providers, prices))


def price(catalog: Catalog, model: str, **asked: Any) -> Estimate:
    priced = check_and_price(catalog, ImageRequest(prompt="a fox", model=model, **asked))
    found = estimate(catalog.prices, priced.choice.provider.name, priced.job)
    assert found
    return found


def paid(catalog: Catalog, model: str, usage: Usage) -> Decimal | None:
    priced = check_and_price(catalog, ImageRequest(prompt="a fox", model=model))
    reply = Reply(pictures=(Picture(b"", "png", 1024, 1024),), usage=usage)
    return actual(catalog.prices, priced.choice.provider.name, priced.job, reply)


def refusal(folder: Path, **sections: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        with_file(all_providers(), file(folder, **sections))
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def test_a_price_comes_before_the_shipped_one_of_the_same_choice(tmp_path: Path) -> None:
    dear = {**ROW, "provider": "xai", "models": ["grok-imagine-image-2.0"], "quality": "low", "resolution": "1k"}
    made = catalog(file(tmp_path, rows=[dear]))
    found = price(made, "xai", quality="low")
    assert (found.total_usd, found.source) == (Decimal("0.05"), "invoice, xai-sdk-1.21.0")
    assert price(made, "xai", quality="low", resolution="2k").total_usd == Decimal("0.06")
    assert price(made, "xai", quality="medium").total_usd == Decimal("0.06")


def test_a_price_without_dimensions_stands_for_everything_that_was_known(tmp_path: Path) -> None:
    made = catalog(file(tmp_path, rows=[ROW]))
    found = price(made, "gpt-image-2", quality="high", size="2048x2048", count=2)
    assert (found.total_usd, found.high_usd, found.basis, found.as_of) == (
        Decimal("0.1"), Decimal("0.1"), "flat", "2027-01",
    )  # fmt: skip
    assert paid(made, "gpt-image-2", Usage(input_tokens=9, output_tokens=7024)) == Decimal("0.05")
    assert price(made, "gpt-image-2.5-flare", quality="low", size="1024x1024").basis == "tokens"


def test_rates_stand_for_prices_by_the_piece(tmp_path: Path) -> None:
    made = catalog(file(tmp_path, rates=[RATES]))
    found = price(made, "gpt-image-1.5", quality="low", size="1024x1024")
    assert (found.basis, found.low_usd) == ("tokens", (272 * 10 + 8 * 1) / Decimal(10**6))
    assert paid(made, "gpt-image-1.5", Usage(input_tokens=9, output_tokens=272)) == Decimal("0.002729")
    assert price(made, "gpt-image-1-mini", quality="low", size="1024x1024").basis == "grid"


def test_a_new_model_has_the_prices_of_the_file_and_no_others(tmp_path: Path) -> None:
    new = {"provider": "openai", "id": "gpt-image-3", "like": "gpt-image-2", "snapshots": ["gpt-image-3-2027-01-01"]}
    bare = catalog(file(tmp_path, [new]))
    priced = check_and_price(bare, ImageRequest(prompt="a fox", model="gpt-image-3"))
    assert estimate(bare.prices, "openai", priced.job) is None
    named = {"provider": "openai", "models": ["gpt-image-3"], **DATED}
    rates = {**RATES, "models": ["gpt-image-3"]}
    tokens = [{**named, "grid": 16, "quality": "low"}, {**named, "tokens": 5000, "quality": "medium|high"}]
    usual = [{**named, "quality": "low", "certain": True}]
    made = catalog(file(tmp_path, [new], rates=[rates], tokens=tokens, usual=usual))
    for name in ("gpt-image-3", "gpt-image-3-2027-01-01"):
        assert price(made, name, size="1024x1024").total_usd == (196 * 10 + 2 * 1) / Decimal(10**6)
        assert price(made, name, quality="high", size="1024x1024").total_usd == Decimal("0.050002")


def test_without_prices_in_the_file_the_shipped_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.json"
    path.write_text("{}")
    assert with_file(all_providers(), path) == (all_providers(), table())


def test_the_server_uses_them(environ: Environ, tmp_path: Path) -> None:
    environ["ATELIER_CATALOG"] = str(file(tmp_path, rows=[ROW]))
    made = catalog_of(Settings.from_environ(environ), lambda: TODAY)
    assert price(made, "gpt-image-2").total_usd == Decimal("0.05")


SLIPS: list[tuple[dict[str, Any], str, str]] = [
    ({"rows": [{**ROW, "source": "rumour"}]}, "prices.rows[0].source", "rumour"),
    ({"rows": [{**ROW, "provider": "openia"}]}, "prices.rows[0].provider", "openia"),
    ({"rows": [ROW, {**ROW, "models": ["gpt-imge-2"]}]}, "prices.rows[1].models", "gpt-imge-2"),
    ({"rows": [{**ROW, "quality": "hihg"}]}, "prices.rows[0].quality", "hihg"),
    ({"rows": [{**ROW, "quality": "low|hihg"}]}, "prices.rows[0].quality", "hihg"),
    ({"rows": [{**ROW, "size": "1000x1000"}]}, "prices.rows[0].size", "1000x1000"),
    ({"rows": [{**ROW, "size": "1024X1024"}]}, "prices.rows[0].size", "1024X1024"),
    ({"rows": [{**ROW, "resolution": "2k"}]}, "prices.rows[0].resolution", "2k"),
    ({"rows": [ROW, ROW]}, "prices.rows[1]", "entry has this for gpt-image-2"),
    ({"rows": [{**ROW, "quality": "auto"}]}, "prices.rows[0].quality", "auto"),
    ({"rows": [{**ROW, "usd": "-1"}]}, "prices.rows[0].usd", "greater than or equal to 0"),
    ({"rows": [{**ROW, "usd": "dear"}]}, "prices.rows[0].usd", "decimal"),
    ({"rows": [{**ROW, "usd": "1e99"}]}, "prices.rows[0].usd", "less than or equal to"),
    ({"rows": [{**ROW, "unit": "per_pixel"}]}, "prices.rows[0].unit", "per_image"),
    ({"rows": [{**ROW, "usd_further": "0.1"}]}, "prices.rows[0]", "per_megapixel"),
    ({"rows": [{**ROW, "as_of": "soon"}]}, "prices.rows[0].as_of", "2027-01"),
    ({"rows": [{**ROW, "models": []}]}, "prices.rows[0].models", "at least 1"),
    ({"rows": [{"provider": "openai"}]}, "prices.rows[0].models", "missing"),
    ({"rates": [{**RATES, "image_output": None}]}, "prices.rates[0].image_output", "Decimal"),
    ({"rates": [RATES, {**RATES, "image_output": "11"}]}, "prices.rates[1]", "entry has this for gpt-image-1.5"),
    ({"tokens": [{"provider": "openai", "models": ["gpt-image-2"], **DATED}]}, "prices.tokens[0]", "grid"),
    ({"sources": {"ours": INVOICE["invoice"]}}, "prices.sources.ours", "already"),
    ({"sources": {"invoice": {"what": "x"}}}, "prices.sources.invoice.date", "missing"),
    ({"usual": [{**DATED, "provider": "xai", "models": ["grok-2-image-1212"], "quality": "low"}]},
     "prices.usual[0].quality", "grok-2-image-1212 has no quality"),
]  # fmt: skip


@pytest.mark.parametrize(("sections", "place", "says"), SLIPS)
def test_what_is_wrong_is_refused_with_its_place(
    tmp_path: Path, sections: dict[str, Any], place: str, says: str
) -> None:
    error = refusal(tmp_path, **sections)
    assert f"{place}: " in error.message
    assert says in error.message


def test_a_slip_in_a_key_is_answered_with_the_key(tmp_path: Path) -> None:
    assert "usd_further" in refusal(tmp_path, rows=[{**ROW, "usd_furthr": "1"}]).hint
    assert "rates" in refusal(tmp_path, raets=[]).hint
