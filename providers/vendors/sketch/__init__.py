"""Sketch: POST /draw with JSON, answered in this process; offline, free, and always labelled as a sketch.

Read models.py (rows), then adapter.py (prepare, read, explain).
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.sketch.adapter import ENDPOINT, MODELS, explain, prepare, read

PROVIDER = Provider(
    name="sketch",
    title="The built-in sketch",
    names=("sketch",),
    endpoint=ENDPOINT,
    models=MODELS,
    default="sketch",
    prepare=prepare,
    read=read,
    explain=explain,
)
