"""The page that takes the photo of a chat: a link of one caller, for one image, for a while."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from PIL import Image

from atelier.providers.transport.network.http_client import httpx
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.http_process import Server, serving

pytestmark = pytest.mark.anyio


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (48, 32), colour).save(file, "PNG")
    return file.getvalue()


def link_of(server: Server, caller: str = "alice") -> dict[str, Any]:
    with server.web(caller) as web:
        return web.post("/image/upload-link").json()["data"]


def sent(url: str, data: bytes, name: str = "file") -> httpx.Response:
    """What a browser sends when the form is submitted."""
    origin = "/".join(url.split("/")[:3])
    return httpx.post(url, files={name: ("a.png", data)}, headers={"Origin": origin}, trust_env=False)


def test_an_image_is_uploaded_once_and_is_its_callers(server: Server) -> None:
    link = link_of(server)
    form = httpx.get(link["upload_url"], trust_env=False)
    assert form.status_code == 200
    assert '<form method="post" enctype="multipart/form-data">' in form.text
    assert "default-src 'none'" in form.headers["content-security-policy"]
    assert not re.search(r"https?://", form.text)  # nothing is loaded from elsewhere
    done = sent(link["upload_url"], png())
    assert (done.status_code, link["id"] in done.text) == (200, True)
    for again in (sent(link["upload_url"], png("blue")), sent(link["upload_url"], png())):
        assert (again.status_code, "This link has been used." in again.text) == (410, True)
    assert httpx.get(link["upload_url"], trust_env=False).status_code == 410
    with server.web() as web:
        edited = web.post("/v1/images/edits", json={"image": link["id"], "prompt": "a hat", "model": "sketch"})
        assert edited.status_code == 200
        assert Image.open(io.BytesIO(web.get(f"/image/{link['id']}/file").content)).getpixel((0, 0)) == (255, 0, 0)
    assert server.get(f"/image/{link['id']}/file", "bob").status_code == 404


def test_what_is_no_image_does_not_use_up_the_link(server: Server) -> None:
    link = link_of(server)
    for bad in (sent(link["upload_url"], b"<script>alert(1)</script>"), sent(link["upload_url"], png(), "other")):
        assert bad.status_code == 400
        assert "This did not work" in bad.text
        assert "<script>" not in bad.text
    plain = httpx.post(link["upload_url"], content=png(), headers={"Content-Type": "image/png"}, trust_env=False)
    assert plain.status_code == 415
    assert sent(link["upload_url"], png()).status_code == 200


@pytest.mark.parametrize(
    ("pattern", "text"), [(r"c=alice", "c=bob"), (r"e=\d", "e=9"), (r"/upload/", "/i/"), (r"img_..", "img_7z")]
)
def test_an_altered_link_takes_nothing(server: Server, pattern: str, text: str) -> None:
    url = re.sub(pattern, text, link_of(server)["upload_url"], count=1)
    assert httpx.get(url, trust_env=False).status_code == 404
    assert sent(url, png()).status_code in (404, 405)


@exhaustive
def test_too_large_an_upload_is_refused(environ: Environ) -> None:
    with serving({**environ, "ATELIER_SOURCE_MAX_MB": "0.01"}) as server:
        link = link_of(server)
        assert sent(link["upload_url"], png() + b"x" * 20_000).status_code == 413
        assert sent(link["upload_url"], b"x" * 33 * 2**20).status_code == 413
        assert sent(link["upload_url"], png()).status_code == 200


async def test_an_agent_that_names_an_attachment_gets_a_link_for_its_user(server: Server) -> None:
    edit = {"image": "the attached photo", "prompt": "a hat", "model": "sketch"}
    async with server.mcp() as client:
        refused = await client.call_tool("edit_image", edit)
        assert refused.is_error
        said = str(refused.content)
        found = re.search(rf"upload it at ({server.url}/upload/\S+) .*give (img_\w+)", said)
        assert found is not None, said
        assert sent(found[1], png()).status_code == 200
        again = await client.call_tool("edit_image", {**edit, "image": found[2]})
        assert not again.is_error
