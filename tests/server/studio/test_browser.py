"""The studio in a real Chromium under its own policy: painted in, compared, used by keyboard alone, and accessible."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from PIL import Image

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Slow
from atelier.providers.testing.waiting import LONG
from atelier.server.composition import storage_of
from atelier.server.settings import Settings
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.npm import clean_environ, installed, needed, node
from tests.server.process import SERVE, like_a_host, started
from tests.server.studio.scenes import SCENES, store_scenes

PROGRAMS = Path(__file__).with_name("browser")
PEERS = ("@modelcontextprotocol/client@2.4.0", "esbuild@0.28.2")

pytestmark = exhaustive


@contextmanager
def studio(environ: Environ) -> Generator[str]:
    """Run `atelier studio` over stored images, and return the address that it prints."""
    anyio.run(store_scenes, storage_of(Settings.from_environ(environ)))
    command = [sys.executable, "-m", "atelier.server", "studio", "--no-open"]
    with started(environ, command, subprocess.DEVNULL, subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def browse(request: pytest.FixtureRequest) -> Any:
    """Return a function that runs a program of `browser/` and returns what it found."""
    chromium = needed("chromium", "the studio has to be opened in a browser here")
    packages = {
        "PLAYWRIGHT": str(installed("playwright-core@1.65.1", request.config)),
        "AXE": str(installed("axe-core@4.14.1", request.config)),
        "APPS": str(installed("@modelcontextprotocol/ext-apps@2.0.4", request.config, *PEERS)),
    }

    def run(program: str, *arguments: str) -> dict[str, Any]:
        command = [str(node()), str(PROGRAMS / program), chromium, *arguments]
        environ = {**os.environ, **clean_environ(), **packages}
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=3 * LONG, check=False)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return run


def test_what_is_painted_is_what_the_vendor_gets(
    with_openai: Environ, openai: OpenAI, browse: Any, tmp_path: Path
) -> None:
    scene = SCENES[3]
    saved, soft, whole = (tmp_path / name for name in ("mask.png", "soft.png", "whole.png"))
    with studio(with_openai) as link:
        found = browse("paint.mjs", link, scene.prompt, str(saved), str(soft), str(whole))
    assert found["wrong"] == []
    assert found["addresses"] == [link.split("/?")[0]], "the page loads nothing from elsewhere"
    assert found["address"] == f"{link.split('/?')[0]}/", "the token stays out of the history"
    steps = found["steps"]
    assert found["unready"]
    assert 0 < steps["erased"] < steps["stroke"] == steps["redone"]
    assert (steps["undone"], steps["cleared"]) == (0, 0)
    assert steps["inverted"] == 128 * 128 - steps["stroke"]
    assert abs(steps["lasso"] - 64 * 32) < 200
    assert steps["finger"] > steps["lasso"] == steps["pinched"]
    assert steps["lasso"] < steps["pen"] < steps["lasso"] + 0.6 * (steps["finger"] - steps["lasso"])
    assert steps["palm"] == steps["lasso"]
    assert found["zoomed"] > 1.5
    assert found["refitted"] < found["held"] == 1
    assert (steps["kept"], found["escaped"]) == (steps["lasso"], "Edit"), "a mask is not lost by going back"
    assert "about $" in found["button"]
    assert "gpt-image" in found["price"]
    assert any("gpt-image-2.5-flare · $" in model for model in found["models"])
    assert found["title"] == "Before and after"
    assert found["shown"] == "20%"
    assert int(found["extended"]) > 100
    assert found["handle"] == found["extended"]
    assert found["refused"], "no vendor that is set up can do it"

    (mask,), (sources,) = openai.masks, openai.sources
    assert mask.size == sources[0].size == scene.size
    alpha = mask.getchannel("A")
    width, height = scene.size
    inside, outside = [(0.5, 0.4), (0.3, 0.3), (0.7, 0.45)], [(0.5, 0.7), (0.1, 0.4), (0.5, 0.9), (0.9, 0.1)]
    assert [alpha.getpixel((int(x * width), int(y * height))) for x, y in inside] == [0, 0, 0]
    assert [alpha.getpixel((int(x * width), int(y * height))) for x, y in outside] == [255, 255, 255, 255]
    kept = Image.open(saved)
    assert kept.size == scene.size
    assert {colour for _, colour in kept.convert("L").getcolors() or []} == {0, 255}
    feathered = Image.open(soft).convert("L")
    edge = [feathered.getpixel((width // 2, int(0.25 * height) + away)) for away in (-100, -10, 0, 10, 100)]
    assert edge == sorted(edge)  # pyright: ignore[reportArgumentType] - it has one band
    assert (edge[0], edge[-1], len(set(edge))) == (0, 255, 5)
    assert whole.read_bytes() in [file.read_bytes() for file in Path(with_openai["ATELIER_OUTPUT_DIR"]).rglob("*.png")]
    assert found["name"].endswith("-mask.png")
    assert b"a full moon" in openai.requests[-1].body


def test_the_keyboard_alone_searches_compares_and_paints(with_openai: Environ, openai: OpenAI, browse: Any) -> None:
    with studio(with_openai) as link:
        found = browse("keyboard.mjs", link)
    assert found["wrong"] == []
    assert len(found["hits"]) == 3
    assert found["columns"] == 2
    assert found["focus"] == "Side by side"
    assert (found["none"], found["some"]) == ("0", "30")
    assert found["said"] == "Stroke ended."
    assert (found["tool"], found["undone"], found["redone"]) == ("lasso", "true", "false")
    assert found["extended"] == "80"
    (mask,) = openai.masks
    alpha = mask.getchannel("A")
    assert alpha.getpixel((mask.width // 2 + 40, mask.height // 2)) == 0
    assert alpha.getpixel((mask.width // 4, mask.height // 2)) == 255
    assert b"a red barn" in openai.requests[-1].body


def test_an_image_is_made_by_two_models_compared_and_deleted(
    with_openai: Environ, openai: OpenAI, browse: Any, tmp_path: Path
) -> None:
    with_openai["ATELIER_WAIT_SECONDS"] = "0.5"
    openai.script.append(Slow(2))  # the page collects it
    with studio(with_openai) as link:
        found = browse("create.mjs", link)
    assert found["wrong"] == []
    assert found["button"].startswith("Make 2 to compare · about $")
    about, most = re.findall(r"\$[\d.]+", found["button"])
    assert float(about[1:]) < float(most[1:])
    assert found["risen"].endswith(f"The button said: about {about}, at most {most}.")
    assert (found["chosen"], found["declined"]) == (6, "New image")
    assert found["title"] == "Compare 2"
    names = [re.sub(r"[\d.]+", "0", name) for name in found["names"]]
    assert names == ["sketch/sketch · free · 0 s", "openai/gpt-image-0-flare · $0"]
    assert found["newest"] == ["a boat on a lake", "a boat on a lake"]
    assert found["question"].startswith("Delete these 2 images for good?")
    assert found["left"] == len(SCENES) + 1
    assert len(list(Path(with_openai["ATELIER_OUTPUT_DIR"]).rglob("img_*.png"))) == len(SCENES) + 1
    assert len(openai.requests) == 1
    assert b"1248x832" in openai.requests[0].body, "the shape that was chosen"


def test_axe_has_no_serious_finding_in_any_view_and_nothing_is_cut_off(with_openai: Environ, browse: Any) -> None:
    with studio(with_openai) as link:
        found = browse("access.mjs", link)
    assert found["wrong"] == []
    assert found["serious"] == []
    assert found["small"] == []
    assert found["cut"] == []
    assert len(found["views"]) == 36


def test_the_official_app_bridge_shows_it_and_the_server_is_called_through_the_host(
    with_openai: Environ, openai: OpenAI, browse: Any
) -> None:
    host = {"command": SERVE, "environ": like_a_host(with_openai), "prompt": "a fox in the snow"}
    found = browse("host.mjs", json.dumps(host))
    log = found["log"]
    assert found["wrong"] == []
    assert found["mime"] == "text/html;profile=mcp-app"
    assert log["app"] == [
        {"name": "atelier-studio", "version": "1"},
        {"availableDisplayModes": ["inline", "fullscreen"]},
    ]
    assert found["opened"] == "a fox in the snow", "the result of the call that the host showed the page for"
    assert found["injected"], "the page's policy begins after what hosts put at the beginning of its head"
    assert (found["theme"], found["themed"]) == ("dark", "light")
    assert log["sizes"][0] == {"height": 480}
    (resource,) = log["downloads"][0]["contents"]
    assert (resource["type"], resource["resource"]["mimeType"]) == ("resource", "image/png")
    assert base64.b64decode(resource["resource"]["blob"], validate=True).startswith(b"\x89PNG")
    assert found["id"] in log["messages"][0]["content"][0]["text"]
    assert log["modes"] == ["fullscreen"]
    assert {"studio_images", "studio_previews", "studio_file", "estimate_cost", "edit_image"} <= set(found["called"])
    assert found["edit"] == {
        "image": found["id"],
        "operation": "inpaint",
        "prompt": "a kite",
        "mask": found["edit"]["mask"],
        "confirm_cost": True,
    }
    assert found["edit"]["mask"].startswith("data:image/png;base64,")
    said = log["contexts"][0]["content"][0]["text"]
    assert re.search(rf"edited {found['id']} \(inpaint\) with the words “a kite”. The new image is img_", said)
    assert found["teardown"] == {}
    alpha = openai.masks[0].getchannel("A")
    assert (alpha.getpixel((410, 205)), alpha.getpixel((410, 800))) == (0, 255)
