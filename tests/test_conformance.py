"""Every vendor of the catalogue through the suite that all of them share."""

from __future__ import annotations

from atelier.providers.testing.conformance.suite import ProviderConformance
from atelier.providers.vendors.registry import all_providers
from tests.conformance.benches import BENCHES, HOST_BENCHES
from tests.exhaustive import exhaustive

THOROUGH = frozenset({"openai", "flux", "sketch"})
"""Vendors of which a fast run tries the whole default row, as they differ most; of the others it tries a few cells."""


class TestEveryVendor(ProviderConformance):
    benches = BENCHES
    slow = (exhaustive,)
    brief = frozenset(provider.name for provider in all_providers()) - THOROUGH


class TestEveryDialect(ProviderConformance):
    """The dialects of compatible hosts, which the settings add to the catalogue."""

    benches = HOST_BENCHES
    slow = (exhaustive,)
    brief = frozenset(bench.name for bench in HOST_BENCHES)


def test_every_vendor_of_the_catalogue_is_on_the_bench() -> None:
    assert {bench.name for bench in BENCHES} == {provider.name for provider in all_providers()}
