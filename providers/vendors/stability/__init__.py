"""Stability AI: POST /v2beta/stable-image/{endpoint} as multipart; one image comes back as base64 in JSON.

Facts of 2026. Read models (rows), then adapter (endpoint, prepare, read, explain, collect).
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.stability.adapter import ENDPOINT, collect, explain, prepare, read
from atelier.providers.vendors.stability.models import MODELS

PROVIDER = Provider(
    name="stability",
    title="Stability AI",
    names=("stability",),
    endpoint=ENDPOINT,
    free_path="/v1/user/balance",
    models=MODELS,
    default="stable-image-core",
    prefixes=("sd", "stable-image", "stability"),
    prepare=prepare,
    read=read,
    explain=explain,
    collect=collect,
    prompted_variations=True,
)
