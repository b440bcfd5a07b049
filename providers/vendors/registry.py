"""The built-in vendors, in the order in which they are listed and tried."""

from __future__ import annotations

from atelier.providers.vendors import flux, gemini, openai, sketch, stability, xai
from atelier.providers.vendors.contract import Provider

PROVIDERS: tuple[Provider, ...] = (
    openai.PROVIDER,
    gemini.PROVIDER,
    flux.PROVIDER,
    xai.PROVIDER,
    stability.PROVIDER,
    sketch.PROVIDER,
)
