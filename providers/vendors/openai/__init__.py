"""OpenAI: POST /images/generations with JSON, /images/edits and /images/variations as forms; pictures in base64, or

Read models.py (rows), then adapter.py (prepare, read, explain).
"""

from __future__ import annotations

from atelier.providers.core.types import Operation
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.openai.adapter import explain, lifecycles, prepare, read, resume
from atelier.providers.vendors.openai.models import ENDPOINT, FLARE, MODELS

PROVIDER = Provider(
    name="openai",
    title="OpenAI",
    names=("openai", "dall-e", "gpt-image"),
    endpoint=ENDPOINT,
    models=MODELS,
    default=FLARE,
    prefixes=("gpt-image", "chatgpt-image", "dall-e"),
    prepare=prepare,
    read=read,
    explain=explain,
    resume=resume,
    lifecycles=lifecycles,
    unlisted_operations=frozenset({Operation.EDIT, Operation.INPAINT, Operation.VARIATION}),
)
