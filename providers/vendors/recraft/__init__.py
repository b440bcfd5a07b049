"""Recraft: POST /images/{endpoint}, JSON to generate and multipart to edit; images come back as base64 or links.

Facts of 2026-11-29. Read models (rows), then adapter (endpoint, prepare, read, explain, collect).
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.recraft.adapter import ENDPOINT, collect, explain, prepare, read
from atelier.providers.vendors.recraft.models import DEFAULT, MODELS

PROVIDER = Provider(
    name="recraft",
    title="Recraft",
    names=("recraft",),
    endpoint=ENDPOINT,
    free_path="/users/me",
    models=MODELS,
    default=DEFAULT,
    prefixes=("recraft",),
    prepare=prepare,
    read=read,
    explain=explain,
    collect=collect,
)
