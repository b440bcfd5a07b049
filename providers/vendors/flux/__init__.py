"""Black Forest Labs: POST /v1/{model} with JSON names a task; its polling URL is asked until it links to the picture.

Read models.py (rows), then adapter.py (prepare, read, explain).
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.flux.adapter import prepare, read, resume
from atelier.providers.vendors.flux.models import DEFAULT, ENDPOINT, MODELS
from atelier.providers.vendors.flux.refusals import explain

PROVIDER = Provider(
    name="flux",
    title="Black Forest Labs",
    names=("flux", "bfl"),
    endpoint=ENDPOINT,
    models=MODELS,
    default=DEFAULT,
    prefixes=("flux",),
    prepare=prepare,
    read=read,
    explain=explain,
    resume=resume,
    prompted_variations=True,
)
