"""Black Forest Labs: POST /v1/{model} with JSON returns a task; its polling URL returns a link to the image.

Facts of 2026-05, FLUX 3 of 2026-10. Read models (rows), then adapter (endpoint, prepare, read, explain, collect), which
polls by tasks.
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.flux.adapter import ENDPOINT, collect, explain, prepare, read
from atelier.providers.vendors.flux.models import DEFAULT, MODELS

PROVIDER = Provider(
    name="flux",
    title="Black Forest Labs",
    names=("flux", "bfl"),
    endpoint=ENDPOINT,
    free_path="/v1/credits",
    models=MODELS,
    default=DEFAULT,
    prefixes=("flux",),
    prepare=prepare,
    read=read,
    explain=explain,
    collect=collect,
    prompted_variations=True,
)
