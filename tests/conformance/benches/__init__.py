"""The bench of every built-in vendor: one module for each, by the vendor's name, with its `BENCH`."""

from __future__ import annotations

from importlib import import_module

from atelier.providers.testing.conformance.bench import Bench
from atelier.providers.vendors.registry import BUILT_IN, package_of

BENCHES: tuple[Bench, ...] = tuple(
    import_module(f"tests.conformance.benches.{package_of(name)}").BENCH for name in BUILT_IN
)
