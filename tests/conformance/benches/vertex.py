"""The bench of Vertex AI, whose key is the token that its credentials are exchanged for."""

from __future__ import annotations

from collections.abc import Mapping

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench
from atelier.providers.testing.emulators import vertex
from atelier.providers.vendors.vertex import PROVIDER
from tests.conformance.benches import gemini


def variables(host: vertex.Vertex, key: str) -> Mapping[str, str]:
    return {"GOOGLE_CLOUD_PROJECT": vertex.PROJECT, "GOOGLE_APPLICATION_CREDENTIALS": host.credentials_file(key)}


def collectable_model(host: vertex.Vertex) -> Model:
    """A gateway answers with a file."""
    host.links = True
    return next(row for row in PROVIDER.models if row.id == PROVIDER.default)


BENCH = Bench(
    provider=PROVIDER,
    host=vertex.Vertex,
    key=vertex.KEY,
    variables=variables,
    stage=gemini.stage,
    minimal_body=gemini.minimal_body,
    downloads=("/files/", "/token"),
    collectable_model=collectable_model,
    faults=gemini.BENCH.faults,
)
