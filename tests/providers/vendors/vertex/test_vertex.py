"""What is special to Vertex AI: the location, the credentials of Google Cloud, and what its rows add."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.testing.emulators.gemini_rules import trouble
from atelier.providers.testing.emulators.vertex import NO_PERMISSION, Vertex
from atelier.providers.testing.fixtures import served
from atelier.providers.vendors.vertex import PROVIDER
from tests.conftest import Environ
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio
FOX = ImageRequest(prompt="a fox", model="vertex")


@pytest.fixture
def vertex() -> Iterator[Vertex]:
    yield from served(Vertex())


@pytest.fixture
def with_vertex(environ: Environ, vertex: Vertex) -> Environ:
    return environ | vertex.environ_for("vertex")


async def failure(settings: Environ, request: ImageRequest = FOX) -> ImageError:
    async with open_pipeline(PROVIDER, settings) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(request)
    return caught.value


@pytest.mark.parametrize(
    ("location", "host"),
    [
        (None, "aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_the_location_decides_the_host_and_the_path(location: str | None, host: str) -> None:
    settings = {"ATELIER_GOOGLE_CLOUD_PROJECT": "mine"} | ({"GOOGLE_CLOUD_LOCATION": location} if location else {})
    request = open_pipeline(PROVIDER, settings).prepare(FOX)
    assert (request.url.scheme, request.url.host) == ("https", host)
    path = f"/v1beta1/projects/mine/locations/{location or 'global'}/publishers/google/models/{PROVIDER.default}"
    assert request.url.path == f"{path}:generateContent"


async def test_a_location_that_names_another_host_is_refused(with_vertex: Environ, vertex: Vertex) -> None:
    error = await failure(with_vertex | {"ATELIER_GOOGLE_CLOUD_LOCATION": "evil.example/#"})
    assert (error.reason, "GOOGLE_CLOUD_LOCATION" in error.message) == (Reason.INVALID_REQUEST, True)
    assert vertex.requests == []


async def test_a_token_is_fetched_once_and_again_when_it_nearly_expires(with_vertex: Environ, vertex: Vertex) -> None:
    async with open_pipeline(PROVIDER, with_vertex) as pipeline:
        await pipeline.run(FOX)
        await pipeline.run(FOX)
        assert [request.path for request in vertex.requests].count("/token") == 1
    vertex.lifetime = 60
    short_lived = with_vertex | {"GOOGLE_APPLICATION_CREDENTIALS": vertex.credentials_file()}
    async with open_pipeline(PROVIDER, short_lived) as pipeline:
        await pipeline.run(FOX)
        await pipeline.run(FOX)
    assert [request.path for request in vertex.requests].count("/token") == 3


async def test_the_type_of_the_file_and_people_are_fields_of_their_own(with_vertex: Environ, vertex: Vertex) -> None:
    asked: dict[str, Any] = {"output_format": "jpeg", "compression": 80, "options": {"person_generation": "allow_none"}}
    async with open_pipeline(PROVIDER, with_vertex) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="vertex/nano-banana", **asked))
    assert vertex.requests[-1].json["generationConfig"]["imageConfig"] == {
        "personGeneration": "ALLOW_NONE",
        "imageOutputOptions": {"mimeType": "image/jpeg", "compressionQuality": 80},
    }
    assert result.images[0].picture.format == "jpeg"


async def test_credentials_that_google_refuses_cost_nothing(with_vertex: Environ, vertex: Vertex) -> None:
    vertex.accounts.clear()
    error = await failure(with_vertex)
    assert (error.reason, error.outcome_unknown) == (Reason.AUTHENTICATION, False)
    assert "invalid_grant" in error.message
    assert "gcloud auth application-default login" in error.hint
    assert {request.path for request in vertex.requests} == {"/token"}


@pytest.mark.parametrize("content", [None, "{}", "not JSON"])
async def test_a_file_without_credentials_is_told_before_anything_is_sent(
    with_vertex: Environ, vertex: Vertex, content: str | None
) -> None:
    file = vertex.folder / "mine.json"
    if content is not None:
        file.write_text(content)
    error = await failure(with_vertex | {"GOOGLE_APPLICATION_CREDENTIALS": str(file)})
    assert (error.reason, error.outcome_unknown, vertex.requests) == (Reason.AUTHENTICATION, False, [])


async def test_a_token_server_that_cannot_be_reached_is_a_network_error(with_vertex: Environ, vertex: Vertex) -> None:
    file = vertex.credentials_file(token_uri="http://127.0.0.1:9/token")
    error = await failure(with_vertex | {"GOOGLE_APPLICATION_CREDENTIALS": file})
    assert (error.reason, error.outcome_unknown, vertex.requests) == (Reason.NETWORK_ERROR, False, [])


async def test_requests_for_tokens_obey_the_proxy_of_the_environment(
    with_vertex: Environ, vertex: Vertex, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = vertex.credentials_file(token_uri="http://tokens.example/token")
    monkeypatch.setenv("HTTP_PROXY", vertex.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    await failure(with_vertex | {"GOOGLE_APPLICATION_CREDENTIALS": file})  # the vendor's host is no proxy
    assert vertex.requests[0].headers["host"] == "tokens.example"


async def test_without_google_auth_one_sentence_says_how_to_install_it(
    with_vertex: Environ, vertex: Vertex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    error = await failure(with_vertex)
    assert error.message == "Vertex AI needs the package google-auth, which is not installed."
    assert "atelier-mcp[vertex]" in error.hint
    assert vertex.requests == []


@pytest.mark.parametrize(("installed", "chosen"), [(True, "vertex"), (False, "sketch")])
def test_a_project_in_the_environment_makes_it_the_default_where_it_can_be_used(
    monkeypatch: pytest.MonkeyPatch, installed: bool, chosen: str
) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "google.auth", None)
    catalog = Catalog({"GOOGLE_CLOUD_PROJECT": "mine"}.get)
    assert catalog.resolve(None).provider.name == chosen
    assert catalog.resolve("vertex").provider is PROVIDER
    assert catalog.resolve(PROVIDER.default).provider.name == "gemini"


def test_neither_the_sdk_of_google_nor_that_of_aws_is_imported_with_the_vendors() -> None:
    code = (
        "import sys; from atelier.providers.catalog.catalog import Catalog;"
        "catalog = Catalog({'GOOGLE_CLOUD_PROJECT': 'p', 'BEDROCK_REGION': 'us-east-1'}.get); catalog.preload();"
        "print([name for name in sys.modules if name.startswith(('google.auth', 'botocore', 'boto3'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("fault", "reason", "word"),
    [
        (NO_PERMISSION, Reason.AUTHENTICATION, "GOOGLE_CLOUD_PROJECT"),
        (trouble(404, "NOT_FOUND", "Not found."), Reason.UNKNOWN_MODEL, "GOOGLE_CLOUD_LOCATION"),
    ],
)
async def test_a_refusal_says_what_to_do_in_google_cloud(
    with_vertex: Environ, vertex: Vertex, fault: Any, reason: Reason, word: str
) -> None:
    vertex.next(fault)
    error = await failure(with_vertex)
    assert error.reason is reason
    assert word in error.hint or "GOOGLE_VERTEX_BASE_URL" in error.hint
