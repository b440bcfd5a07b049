"""fal: POST queue.fal.run/{endpoint id} with JSON returns a request; its status is polled, its result has links.

Facts of 2026-11-29. Read models (rows), then adapter (endpoint, prepare, read, explain, collect, cancel), which
waits by requests.
"""

from __future__ import annotations

from atelier.providers.core.types import Operation
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.fal.adapter import ENDPOINT, cancel, collect, explain, prepare, read
from atelier.providers.vendors.fal.credentials import find_credentials
from atelier.providers.vendors.fal.models import DEFAULT, MODELS

PROVIDER = Provider(
    name="fal",
    title="fal",
    names=("fal",),
    endpoint=ENDPOINT,
    credentials=find_credentials,
    models=MODELS,
    default=DEFAULT,
    prefixes=("fal-ai/",),
    prepare=prepare,
    read=read,
    explain=explain,
    collect=collect,
    cancel=cancel,
    unlisted_operations=frozenset({Operation.EDIT, Operation.UPSCALE, Operation.REMOVE_BACKGROUND}),
)
