"""Ideogram: POST /v1/{model}/{endpoint} as multipart; images come back as links that are valid for a short time.

Facts of 2026-11-29. Read models (rows), then adapter (endpoint, prepare, read, explain, collect).
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.ideogram.adapter import ENDPOINT, collect, explain, prepare, read
from atelier.providers.vendors.ideogram.models import MODELS

PROVIDER = Provider(
    name="ideogram",
    title="Ideogram",
    names=("ideogram",),
    endpoint=ENDPOINT,
    models=MODELS,
    default="ideogram-v3",
    prefixes=("ideogram",),
    prepare=prepare,
    read=read,
    explain=explain,
    collect=collect,
    prompted_variations=True,
)
