"""Stability AI: POST /v2beta/stable-image/{endpoint} as multipart; one picture comes back as base64 in JSON.

Read models.py (rows), then adapter.py (prepare, read, explain).
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.stability.adapter import explain, prepare, read, resume
from atelier.providers.vendors.stability.models import ENDPOINT, MODELS

PROVIDER = Provider(
    name="stability",
    title="Stability AI",
    names=("stability",),
    endpoint=ENDPOINT,
    models=MODELS,
    default="stable-image-core",
    prefixes=("sd", "stable-image", "stability"),
    prepare=prepare,
    read=read,
    explain=explain,
    resume=resume,
    prompted_variations=True,
)
