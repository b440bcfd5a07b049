"""The table of what models are good at: its models exist, its sources are named, its keys are the vendors'."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlsplit

import pytest

from atelier.providers.catalog.strengths import STRENGTHS, Strength, configured
from atelier.providers.vendors.registry import built_in_providers
from tests.conftest import TODAY

OWN_PAGES = {
    "openai": "github.com/openai/",
    "gemini": "firebase.google.com/",
    "flux": "docs.bfl.ai/",
    "xai": "docs.x.ai/",
    "ideogram": "developer.ideogram.ai/",
    "recraft": "www.recraft.ai/",
    "fal": "fal.ai/",
    "replicate": "github.com/black-forest-labs/",  # the maker of the model that is named
}
"""Where the makers and vendors publish."""


@pytest.mark.parametrize("row", STRENGTHS, ids=lambda row: row.model)
def test_a_row_names_a_current_model_its_keys_and_a_source(row: Strength) -> None:
    (vendor,) = [provider for provider in built_in_providers() if provider.name == row.vendor]
    (model,) = [model for model in vendor.models if model.id == row.model]
    assert model.lifecycle.at(TODAY) == "current"
    assert row.keys == vendor.endpoint.key_variables
    assert (urlsplit(row.source).scheme, date.fromisoformat(row.read_on).year) == ("https", 2026)
    assert row.source.removeprefix("https://").startswith(OWN_PAGES[row.vendor])
    assert 0 < len(row.good_at) <= 50


def test_only_vendors_with_a_key_are_named() -> None:
    assert configured(lambda name: False) == []
    assert [row.vendor for row in configured({"ATELIER_XAI_API_KEY"}.__contains__)] == ["xai"]
    assert len({row.model for row in STRENGTHS}) == len(STRENGTHS)
