"""The bench of every built-in vendor and host dialect: one module for each, by its name, with its `BENCH`."""

from __future__ import annotations

from importlib import import_module

from atelier.providers.testing.conformance.bench import Bench
from atelier.providers.vendors.registry import BUILT_IN, package_of

BENCHES: tuple[Bench, ...] = tuple(
    import_module(f"tests.conformance.benches.{package_of(name)}").BENCH for name in BUILT_IN
)

HOST_BENCHES: tuple[Bench, ...] = tuple(
    import_module(f"tests.conformance.benches.{name}").BENCH for name in ("litellm", "azure", "together", "openrouter")
)
"""The bench of each dialect of compatible hosts."""
