"""Google Vertex AI: the models of `gemini` in a Google Cloud project, with its credentials in place of a key.

Facts of 2026-11-29. Read models (rows), then adapter (endpoint, prepare, explain) and credentials; the bodies, and how
answers are read, are those of `gemini`.
"""

from __future__ import annotations

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.gemini import PROVIDER as GEMINI
from atelier.providers.vendors.vertex.adapter import ENDPOINT, explain, locate, prepare
from atelier.providers.vendors.vertex.credentials import find_credentials
from atelier.providers.vendors.vertex.models import MODELS

PROVIDER = Provider(
    name="vertex",
    title="Google Vertex AI",
    names=("vertex", "vertex-ai"),
    endpoint=ENDPOINT,
    models=MODELS,
    default=GEMINI.default,
    prefixes=GEMINI.prefixes,
    qualified=True,
    ended_names=GEMINI.ended_names,
    locate=locate,
    credentials=find_credentials,
    package="google.auth",
    prepare=prepare,
    read=GEMINI.read,
    explain=explain,
    collect=GEMINI.collect,
)
