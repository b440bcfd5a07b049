"""Links of a chat and the pages for people, opened in a real Chromium without a token."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from atelier.providers.testing.waiting import LONG
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.npm import installed, needed
from tests.server.http_process import SKETCH, data_of, serving

DRIVER = "playwright-core@1.65.1"


@pytest.fixture(scope="session")
def driver(request: pytest.FixtureRequest) -> Path:
    return installed(DRIVER, request.config)


@pytest.fixture(scope="session")
def chromium() -> str:
    return needed("chromium", "links have to be opened in a browser here")


@exhaustive
def test_a_person_opens_an_image_uploads_a_photo_and_reads_the_docs(
    environ: Environ, driver: Path, chromium: str, tmp_path: Path
) -> None:
    with serving(environ) as server:
        image = data_of(server.draw(SKETCH))
        with server.web() as web:
            upload = data_of(web.post("/image/upload-link"))
        text, photo = tmp_path / "notes.png", tmp_path / "photo.png"
        text.write_text("no image")
        Image.new("RGB", (48, 32), "red").save(photo)
        script = str(Path(__file__).with_name("browser.mjs"))
        command = ["node", script, chromium, image["image_url"], upload["upload_url"], str(text), str(photo)]
        environ = {**os.environ, "PLAYWRIGHT": str(driver)}
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=LONG)
        assert ended.returncode == 0, ended.stderr
        found = json.loads(ended.stdout)
        assert found["image"] == [64, 64]
        assert found["style"].endswith("px"), "the policy of the page forbids its own style"
        assert found["text"] == [400, "This did not work"]
        assert found["photo"] == [200, "Thank you"]
        assert found["id"] == upload["id"]
        assert found["again"] == [
            410,
            f"This link has been used. Its image is {upload['id']}; ask for a new link for another.",
        ]
        assert found["docs"] == "Atelier - Swagger UI"
        elsewhere = {address for address in found["addresses"] if not address.startswith((server.url, "data:"))}
        assert not elsewhere
        stored = data_of(server.get(f"/image/{upload['id']}"))
        assert (stored["operation"], stored["images"][0]["width"]) == ("upload", 48)
