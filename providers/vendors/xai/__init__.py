"""xAI: POST /images/generations or /images/edits, both JSON; images come back as base64 or as links.

Facts of 2026-11-20. Read models (rows), then adapter (endpoint, prepare, read, explain, collect).
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.xai.adapter import ENDPOINT, collect, explain, prepare, read
from atelier.providers.vendors.xai.models import LATEST, MODELS

PROVIDER = Provider(
    name="xai",
    title="xAI",
    names=("xai", "grok"),
    ended_names=("grok-2-image",),
    endpoint=ENDPOINT,
    free_path="/image-generation-models",
    models=MODELS,
    default=LATEST,
    prefixes=("grok",),
    prepare=prepare,
    read=read,
    explain=explain,
    collect=collect,
)
