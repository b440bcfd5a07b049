"""xAI: POST /images/generations or /images/edits, both JSON; the pictures come back as base64, or behind links.

Read models.py (rows), then adapter.py (prepare, read, explain).
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.xai.adapter import explain, prepare, read, resume
from atelier.providers.vendors.xai.models import ENDPOINT, LATEST, MODELS

PROVIDER = Provider(
    name="xai",
    title="xAI",
    names=("xai", "grok"),
    endpoint=ENDPOINT,
    models=MODELS,
    default=LATEST,
    prefixes=("grok",),
    prepare=prepare,
    read=read,
    explain=explain,
    resume=resume,
)
