"""Google: POST /v1beta/models/{id}:generateContent with JSON, `:predict` for Imagen; the pictures come back as base64,

Read models.py (rows), then adapter.py (prepare, read, explain).
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.gemini.adapter import prepare, read, resume
from atelier.providers.vendors.gemini.models import BANANA, ENDPOINT, MODELS
from atelier.providers.vendors.gemini.replies import explain

PROVIDER = Provider(
    name="gemini",
    title="Google",
    names=("gemini", "google"),
    endpoint=ENDPOINT,
    models=MODELS,
    default=BANANA,
    prefixes=("gemini", "imagen", "nano-banana"),
    prepare=prepare,
    read=read,
    explain=explain,
    resume=resume,
)
