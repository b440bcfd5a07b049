"""Google: POST /v1beta/models/{id}:generateContent with JSON, `:predict` for Imagen; images come back as base64.

Facts of 2026-11-20. Read models (rows), then adapter (endpoint, prepare, read, explain, collect). imagen builds the
body of the older API; shapes and replies read the answers of both.
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.gemini.adapter import ENDPOINT, collect, explain, prepare, read
from atelier.providers.vendors.gemini.models import BANANA, MODELS

PROVIDER = Provider(
    name="gemini",
    title="Google",
    names=("gemini", "google"),
    ended_names=("imagen",),
    endpoint=ENDPOINT,
    free_path="/v1beta/models",
    models=MODELS,
    default=BANANA,
    prefixes=("gemini", "imagen", "nano-banana"),
    prepare=prepare,
    read=read,
    explain=explain,
    collect=collect,
)
