"""Stable Diffusion web UIs of the user's own: AUTOMATIC1111, Forge, SD.Next. POST /sdapi/v1/txt2img with JSON.

Facts of 2026-11-29. Read models (rows), then adapter (endpoint, prepare, read, explain), then server (complete, watch,
cancel), which asks the server for its lists and its progress.
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.sd_webui.adapter import ENDPOINT, explain, prepare, read
from atelier.providers.vendors.sd_webui.login import find_credentials
from atelier.providers.vendors.sd_webui.models import DEFAULT, MODELS
from atelier.providers.vendors.sd_webui.server import cancel, complete, watch

PROVIDER = Provider(
    name="sd-webui",
    title="Stable Diffusion web UI",
    names=("sd-webui", "automatic1111", "forge", "sdnext"),
    endpoint=ENDPOINT,
    credentials=find_credentials,
    free_path="/sdapi/v1/options",
    models=MODELS,
    default=DEFAULT,
    prefixes=("sd-webui/",),
    prepare=prepare,
    read=read,
    explain=explain,
    complete=complete,
    watch=watch,
    cancel=cancel,
)
