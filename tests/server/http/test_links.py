"""Signed links to images: anyone may open one for a while, and nobody can make or change one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atelier.providers.core.errors import ImageError
from atelier.providers.transport.network.http_client import httpx
from atelier.server.settings import Settings
from atelier.server.storage.signed_links import Kind, LinkState, SignedLinks, signed_links_of
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.http_process import SKETCH, Server, body_of, data_of, serving

ID = "img_01m89esccjeaqaj6k91aarb667"


def opened(url: str) -> httpx.Response:
    """What somebody without a token gets."""
    return httpx.get(url, trust_env=False)


def test_anyone_opens_the_link_of_an_answer_and_asking_again_gives_another(server: Server) -> None:
    image = data_of(server.draw(SKETCH))["images"][0]
    file = opened(image["url"])
    assert (file.status_code, file.headers["content-type"], len(file.content)) == (200, "image/png", image["bytes"])
    assert file.headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch(r"private, max-age=\d+", file.headers["cache-control"])
    assert file.headers["content-disposition"] == f'inline; filename="{image["id"]}.png"'
    assert file.headers["referrer-policy"] == "no-referrer"
    again = data_of(server.get(f"/image/{image['id']}"))["images"][0]["url"]
    assert opened(again).content == file.content
    with server.web() as web:  # its owner may name it as a source
        edit = {"image": again, "prompt": "a hat", "model": "sketch"}
        assert web.post("/image/edit", json=body_of(edit)).status_code == 200


RANGES = {
    "bytes=0-9": slice(0, 10),
    "bytes=10-": slice(10, None),
    "bytes=-7": slice(-7, None),
    "bytes=5-999999999": slice(5, None),
    "bytes=0-1,4-5": None,
    "bytes=-": None,
    "lines=0-9": None,
}
"""Range -> the part that is sent; None where the whole image is."""


@pytest.mark.parametrize(("asked", "part"), RANGES.items())
def test_a_download_that_broke_goes_on_where_it_was(server: Server, asked: str, part: slice | None) -> None:
    image = data_of(server.draw(SKETCH))["images"][0]
    whole = opened(image["url"])
    tag = whole.headers["etag"]
    assert whole.headers["accept-ranges"] == "bytes"
    with server.web() as web:
        for url in (image["url"], f"/image/{image['id']}/file"):
            found = web.get(url, headers={"Range": asked, "If-Range": tag})
            assert (found.status_code, found.content) == (
                (200, whole.content) if part is None else (206, whole.content[part])
            )
            if part is not None:
                start = whole.content.index(found.content)
                end = start + len(found.content) - 1
                assert found.headers["content-range"] == f"bytes {start}-{end}/{image['bytes']}"
            other = web.get(url, headers={"Range": asked, "If-Range": '"another"'})
            assert (other.status_code, other.content) == (200, whole.content)


def test_a_range_outside_of_the_image_is_416(server: Server) -> None:
    image = data_of(server.draw(SKETCH))["images"][0]
    for asked in (f"bytes={image['bytes']}-", "bytes=9-3", "bytes=-0"):
        refused = httpx.get(image["url"], headers={"Range": asked}, trust_env=False)
        assert (refused.status_code, refused.headers["content-range"]) == (416, f"bytes */{image['bytes']}")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"e=\d", "e=9"),
        (r"c=alice", "c=bob"),
        (r"s=.{4}", "s=AAAA"),
        (r"s=.*", "s=%C3%A4"),
        (r"&s=.*", ""),
        (r"\?.*", ""),
        (r"/i/img_..", "/i/img_7z"),
        (r"c=alice", "c=..%2F..%2Fx"),
        (r"e=\d+", "e=x"),
    ],
)
def test_a_link_that_was_altered_is_a_page_with_one_sentence(server: Server, pattern: str, text: str) -> None:
    url = data_of(server.draw(SKETCH))["images"][0]["url"]
    altered, count = re.subn(pattern, text, url, count=1)
    assert count == 1
    page = opened(altered)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert page.text == "There is nothing behind this link; check that it is complete."


@exhaustive
def test_a_link_expires_and_one_to_a_deleted_image_leads_nowhere(environ: Environ) -> None:
    links = signed_links_of(Settings.from_environ(environ))
    now = 1000.0
    dated = SignedLinks(lambda: links.key, 60, lambda: now)
    path = dated.path(Kind.IMAGE, "alice", ID)
    with serving(environ) as server:
        assert (page := opened(server.url + path)).status_code == 410
        assert page.text == "This link has expired; ask for a new one where you got it."
        assert opened(server.url + links.path(Kind.IMAGE, "alice", ID)).status_code == 404


def test_the_kind_and_the_time_of_a_link_are_signed() -> None:
    now = 1000.0
    links = SignedLinks(lambda: b"k" * 32, 60, lambda: now)
    found = re.fullmatch(r"/i/(\w+)\?e=(\d+)&c=(\w+)&s=([\w-]{22})", links.path(Kind.IMAGE, "alice", ID))
    assert found is not None
    id, expires, owner, signature = found[1], int(found[2]), found[3], found[4]
    assert (id, expires, owner) == (ID, 1060, "alice")
    assert links.state(Kind.IMAGE, id, owner, expires, signature) is LinkState.VALID
    assert links.state(Kind.UPLOAD, id, owner, expires, signature) is LinkState.WRONG
    now = 1060.0
    assert links.state(Kind.IMAGE, id, owner, expires, signature) is LinkState.EXPIRED


def test_the_key_is_kept_for_its_owner_only_and_replicas_may_share_a_secret(environ: Environ, tmp_path: Path) -> None:
    first, again = (signed_links_of(Settings.from_environ(environ)).key for _ in range(2))
    assert first == again
    assert len(first) == 32
    assert (tmp_path / "state" / "link-secret").stat().st_mode & 0o777 == 0o600
    secret = tmp_path / "secret"
    secret.write_text("a secret of replicas that is long enough\n")
    shared = {"ATELIER_LINK_SECRET_FILE": str(secret), "ATELIER_STATE_DIR": str(tmp_path / "nowhere")}
    assert signed_links_of(Settings.from_environ(shared)).key == b"a secret of replicas that is long enough"
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(ImageError, match="at least 32 bytes"):
        signed_links_of(Settings.from_environ({"ATELIER_LINK_SECRET": "short"}))
