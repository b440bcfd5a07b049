"""Leonardo.Ai: POST /v1/generations, or /v2/generations for its partners' models, returns a job that is polled.

Facts of 2026-11-29. Read models (rows), then adapter (endpoint, prepare, read, explain, collect); bodies builds the
requests, uploads sends source images beforehand, jobs polls, pricing asks the vendor's calculator.
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.leonardo.adapter import ENDPOINT, collect, explain, prepare, read
from atelier.providers.vendors.leonardo.models import DEFAULT, MODELS
from atelier.providers.vendors.leonardo.pricing import quote
from atelier.providers.vendors.leonardo.uploads import complete

PROVIDER = Provider(
    name="leonardo",
    title="Leonardo.Ai",
    names=("leonardo",),
    endpoint=ENDPOINT,
    free_path="/v1/me",
    models=MODELS,
    default=DEFAULT,
    prefixes=("leonardo",),
    prepare=prepare,
    read=read,
    explain=explain,
    collect=collect,
    complete=complete,
    quote=quote,
    prompted_variations=True,
)
