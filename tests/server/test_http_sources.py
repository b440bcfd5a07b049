"""Source pictures in the body of a request: as large as the settings allow, at both doors."""

from __future__ import annotations

import base64
import zlib

import pytest
from mcp_types import TextContent

from atelier.server.http.body import body_limit
from tests.conftest import Environ, png
from tests.exhaustive import exhaustive, sample
from tests.server.http_process import body_of, reason, serving

pytestmark = pytest.mark.anyio

MB = 2**20
LIMITS = [25, 40]
"""The setting that nobody made, and a larger one."""


def heavy(size: int) -> str:
    """A PNG of so many bytes as a data URI: a small picture with a large note."""
    small = png(64, 64)
    note = b"noTe" + bytes(size - len(small) - 12)
    chunk = (len(note) - 4).to_bytes(4) + note + zlib.crc32(note).to_bytes(4)
    whole = small[:-12] + chunk + small[-12:]  # before the last chunk, which has 12 bytes
    assert len(whole) == size
    return "data:image/png;base64," + base64.b64encode(whole).decode()


def served(environ: Environ, limit: int) -> Environ:
    return environ if limit == 25 else environ | {"ATELIER_SOURCE_MAX_MB": str(limit)}


@exhaustive
@pytest.mark.parametrize("limit", LIMITS)
async def test_a_source_and_a_mask_may_be_as_large_as_the_settings_allow(environ: Environ, limit: int) -> None:
    largest = heavy(limit * MB)
    asked = {"image": largest, "mask": largest, "prompt": "in the snow", "model": "sketch"}
    with serving(served(environ, limit)) as server:
        with server.web() as web:
            answer = web.post("/image/edit", json=body_of(asked))
            assert answer.status_code == 200, answer.text
            refused = web.post("/image/edit", json=body_of(asked | {"mask": None, "image": heavy(limit * MB + 1)}))
            assert (refused.status_code, reason(refused)) == (400, "invalid_request")
            assert f"larger than {limit} MB" in refused.json()["error"]["message"]
        async with server.mcp() as client:
            result = await client.call_tool("edit_image", asked)
            assert not result.is_error, [part.text for part in result.content if isinstance(part, TextContent)]


@exhaustive
@pytest.mark.parametrize("limit", sample(LIMITS, [25]))
def test_a_body_beyond_that_is_refused_with_the_setting_that_counts(environ: Environ, limit: int) -> None:
    with serving(served(environ, limit)) as server:
        for path in ("/image/edit", "/mcp"):
            with server.web() as web:
                headers = {"content-type": "application/json"}
                answer = web.post(path, content=b" " * (body_limit(limit) + 1), headers=headers)
            assert (answer.status_code, reason(answer)) == (413, "invalid_request")
            assert "ATELIER_SOURCE_MAX_MB" in answer.json()["error"]["hint"]


def test_a_small_limit_of_sources_leaves_room_for_everything_else() -> None:
    assert body_limit(0.1) == body_limit(5) == 32 * MB
    assert body_limit(25) == 68 * MB
    assert body_limit(1000) > 2 * 1000 * MB * 4 / 3
