"""Amazon Bedrock: Stability's models and image services, POST /model/{id}/invoke with JSON, signed or with an API key.

Facts of 2026-11-29. Read models (rows), then adapter (endpoint, locate, prepare, read, explain) and credentials; fields
and limits are those of `stability`.
"""

from __future__ import annotations

from atelier.providers.vendors.bedrock.adapter import ENDPOINT, explain, locate, prepare, read
from atelier.providers.vendors.bedrock.credentials import find_credentials
from atelier.providers.vendors.bedrock.models import CORE_ID, MODELS
from atelier.providers.vendors.contract import Provider

PROVIDER = Provider(
    name="bedrock",
    title="Amazon Bedrock",
    names=("bedrock", "amazon-bedrock"),
    endpoint=ENDPOINT,
    models=MODELS,
    default=CORE_ID,
    prefixes=("us.stability.",),
    locate=locate,
    credentials=find_credentials,
    prepare=prepare,
    read=read,
    explain=explain,
    prompted_variations=True,
)
