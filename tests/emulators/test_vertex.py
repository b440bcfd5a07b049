"""The emulator is proven by the vendor's own client, which gets its token by the file of a service account."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from google import genai
from google.auth import exceptions
from google.genai import errors, types
from google.oauth2 import service_account
from PIL import Image

from atelier.providers.testing.emulators.vertex import PROJECT, SCOPE, Vertex
from atelier.providers.testing.fixtures import served
from tests.conftest import png

MODEL = "gemini-nano-banana-2.1"


@pytest.fixture
def vertex() -> Iterator[Vertex]:
    yield from served(Vertex())


def client(vertex: Vertex, file: str = "", project: str = PROJECT) -> genai.Client:
    account = service_account.Credentials.from_service_account_file(  # pyright: ignore[reportUnknownMemberType]
        file or vertex.credentials_file(), scopes=[SCOPE]
    )
    reach = types.HttpOptions(base_url=vertex.url)
    return genai.Client(vertexai=True, project=project, location="global", credentials=account, http_options=reach)


def test_the_vendors_client_gets_a_picture_of_the_type_that_it_asks_for(vertex: Vertex) -> None:
    image = types.ImageConfig(aspect_ratio="16:9", output_mime_type="image/jpeg", person_generation="ALLOW_NONE")
    config = types.GenerateContentConfig(response_modalities=["IMAGE"], image_config=image)
    with client(vertex) as google:
        answer = google.models.generate_content(model=MODEL, contents="a fox", config=config)
        google.models.generate_content(
            model=MODEL,
            contents=["a hat", types.Part.from_bytes(data=png(64, 64), mime_type="image/png")],
            config=config,
        )
    (part,) = answer.parts or []
    assert part.inline_data
    with Image.open(io.BytesIO(part.inline_data.data or b"")) as made:
        assert (made.format, made.size) == ("JPEG", (1376, 768))
    paths = [request.path for request in vertex.requests]
    assert paths[0] == "/token"
    assert (
        paths[1:]
        == [f"/v1beta1/projects/{PROJECT}/locations/global/publishers/google/models/{MODEL}:generateContent"] * 2
    )  # with one token


def test_a_stranger_and_a_wrong_project_are_refused_as_google_does(vertex: Vertex) -> None:
    file = vertex.credentials_file()
    vertex.accounts.clear()
    with client(vertex, file) as google, pytest.raises(exceptions.RefreshError, match="invalid_grant"):
        google.models.generate_content(model=MODEL, contents="a fox")
    with (
        client(vertex, vertex.credentials_file("ya29.of-another")) as google,
        pytest.raises(errors.ClientError) as seen,
    ):
        google.models.generate_content(model=MODEL, contents="a fox")
    assert (seen.value.code, seen.value.status) == (401, "UNAUTHENTICATED")
    with client(vertex, project="another") as google, pytest.raises(errors.ClientError) as seen:
        google.models.generate_content(model=MODEL, contents="a fox")
    assert (seen.value.code, seen.value.status) == (403, "PERMISSION_DENIED")
