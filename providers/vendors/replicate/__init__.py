"""Replicate: POST a prediction with JSON; it is polled by its address, and its output is links.

Facts of 2026-11-29. Read models (rows), then adapter (endpoint, prepare, complete, read, explain, collect, cancel),
which waits by predictions.
"""

from __future__ import annotations

from atelier.providers.core.types import Operation
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.replicate.adapter import ENDPOINT, cancel, collect, complete, explain, prepare, read
from atelier.providers.vendors.replicate.models import DEFAULT, MODELS

PROVIDER = Provider(
    name="replicate",
    title="Replicate",
    names=("replicate",),
    endpoint=ENDPOINT,
    free_path="/v1/account",
    models=MODELS,
    default=DEFAULT,
    prefixes=("replicate/",),
    prepare=prepare,
    read=read,
    explain=explain,
    complete=complete,
    collect=collect,
    cancel=cancel,
    prompted_variations=True,
    unlisted_sources=14,
    unlisted_operations=frozenset(
        {Operation.EDIT, Operation.INPAINT, Operation.UPSCALE, Operation.REMOVE_BACKGROUND, Operation.VARIATION}
    ),
)
