"""Sketch: POST /draw with JSON, answered in this process; offline, free, and always labelled as a sketch.

No facts of a vendor. Read models (the row), then adapter (endpoint, prepare, read, explain); lettering and scenes draw.
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.sketch.adapter import ENDPOINT, explain, prepare, read
from atelier.providers.vendors.sketch.models import MODELS

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
