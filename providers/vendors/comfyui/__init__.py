"""ComfyUI, a server of the user's own: POST /prompt with a graph; its history is polled and names the files.

Facts of 2026-11-29: the source, and a real server (0.3.64). Read models (rows), graphs (built-in) and workflows (the
user's), then adapter (endpoint, prepare, read, explain), server (complete, lookup, cancel) and prompts (waiting).
"""

from __future__ import annotations

from atelier.providers.core.types import Operation
from atelier.providers.vendors.comfyui.adapter import ENDPOINT, collect, explain, prepare, read
from atelier.providers.vendors.comfyui.models import DEFAULT, MODELS
from atelier.providers.vendors.comfyui.server import cancel, complete, lookup
from atelier.providers.vendors.contract import Provider

PROVIDER = Provider(
    name="comfyui",
    title="ComfyUI",
    names=("comfyui", "comfy"),
    endpoint=ENDPOINT,
    free_path="/system_stats",
    models=MODELS,
    default=DEFAULT,
    prefixes=("comfyui/",),
    prepare=prepare,
    read=read,
    explain=explain,
    complete=complete,
    lookup=lookup,
    collect=collect,
    cancel=cancel,
    unlisted_operations=frozenset({Operation.EDIT, Operation.INPAINT, Operation.UPSCALE, Operation.REMOVE_BACKGROUND}),
    unlisted_sources=4,
)
