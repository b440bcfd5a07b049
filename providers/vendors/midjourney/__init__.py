"""Midjourney by an unofficial resale: POST /api/v1/mj/generate returns a task that is polled; each makes four images.

Midjourney has no public API. kie.ai and MidAPI resell it with one protocol, may end at any time, and are not
affiliated with Midjourney. Facts of 2026-11-29. Read models (rows), then adapter (endpoint, prepare, read, explain,
collect); tasks polls, uploads sends source images beforehand.
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.midjourney.adapter import ENDPOINT, collect, explain, prepare, read
from atelier.providers.vendors.midjourney.models import DEFAULT, MODELS
from atelier.providers.vendors.midjourney.uploads import complete

PROVIDER = Provider(
    name="midjourney",
    title="Midjourney (unofficial resale)",
    names=("midjourney",),
    endpoint=ENDPOINT,
    free_path="/api/v1/chat/credit",
    free_paths={"api.midapi.ai": "/api/v1/common/credit"},
    models=MODELS,
    default=DEFAULT,
    prefixes=("midjourney",),
    prepare=prepare,
    read=read,
    explain=explain,
    collect=collect,
    complete=complete,
    prompted_variations=True,
)
