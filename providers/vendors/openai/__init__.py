"""OpenAI: POST /images/generations with JSON, /images/edits and /variations as forms; images come back as base64.

Facts of 2026-11-20. Read models (rows), then adapter (endpoint, prepare, read, collect), then refusals (explain).
"""

from __future__ import annotations

from atelier.providers.core.types import Operation
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.openai.adapter import ENDPOINT, collect, lifecycles, prepare, read
from atelier.providers.vendors.openai.models import FLARE, MODELS
from atelier.providers.vendors.openai.refusals import explain

PROVIDER = Provider(
    name="openai",
    title="OpenAI",
    names=("openai", "gpt-image"),
    ended_names=("dall-e",),
    endpoint=ENDPOINT,
    free_path="/models",
    models=MODELS,
    default=FLARE,
    prefixes=("gpt-image", "chatgpt-image", "dall-e"),
    prepare=prepare,
    read=read,
    explain=explain,
    collect=collect,
    lifecycles=lifecycles,
    unlisted_operations=frozenset({Operation.EDIT, Operation.INPAINT, Operation.VARIATION}),
)
