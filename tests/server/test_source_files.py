"""Source files as users name them, through the real process: names, folders, what phones write, what vendors get."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from tests.conftest import Environ, png
from tests.exhaustive import exhaustive, sample
from tests.providers.images.test_repair_heif import phone_file
from tests.server.cli.in_process import atelier
from tests.server.process import SERVE, conversation, hello

SCREENSHOT = "Screenshot 2026-11-29 at 9.41.07\u202fAM.png"
MISSING = [
    sys.executable,
    "-c",
    "import sys; sys.modules['pillow_heif'] = None; sys.argv = ['atelier', 'serve']\n"
    "from atelier.server.main import main; main()",
]
"""The server where the extra is not installed."""


@pytest.fixture
def folder(with_openai: Environ, tmp_path: Path) -> Path:
    """A folder that the settings allow, beside one that they do not."""
    for name in ("allowed", "other"):
        (tmp_path / name).mkdir()
    with_openai["ATELIER_INPUT_DIRS"] = str(tmp_path / "allowed")
    return tmp_path / "allowed"


def edited(environ: Environ, image: str, command: list[str] = SERVE, **more: Any) -> tuple[bool, str]:
    """Whether an edit over stdio failed, and what its answer says."""
    arguments = {"prompt": "in the snow", "model": "gpt-image-2.5-flare", "quality": "low", "image": image, **more}
    call = {"method": "tools/call", "id": 2, "params": {"name": "edit_image", "arguments": arguments}}
    answers, _ = conversation(environ, hello("2025-11-25"), call, command=command)
    result = answers[2]["result"]
    return bool(result.get("isError")), " ".join(block.get("text", "") for block in result["content"])


def file_names(openai: OpenAI) -> list[str]:
    """What the files of the last request were called."""
    return re.findall(r'filename="([^"]*)"', openai.requests[-1].body.decode(errors="replace"))


@exhaustive
@pytest.mark.parametrize(
    "asked",
    sample(
        [SCREENSHOT, SCREENSHOT.replace("\u202f", " "), SCREENSHOT.replace("\u202f", "\u00a0")],
        [SCREENSHOT.replace("\u202f", " ")],
    ),
)
def test_a_screenshot_is_found_however_its_space_is_written_and_keeps_its_name(
    with_openai: Environ, openai: OpenAI, folder: Path, asked: str
) -> None:
    (folder / SCREENSHOT).write_bytes(png(64, 64))
    failed, words = edited(with_openai, str(folder / asked))
    assert not failed, words
    assert file_names(openai) == ["Screenshot 2026-11-29 at 9.41.07 AM.png"]


@exhaustive
@pytest.mark.skipif(sys.platform == "win32", reason="a backslash stands between folders there")
def test_a_path_as_a_terminal_writes_it_is_understood(with_openai: Environ, openai: OpenAI, folder: Path) -> None:
    (folder / "fu\u0308chse (1).png").write_bytes(png(64, 64))
    failed, words = edited(with_openai, f"{folder}/f\u00fcchse\\ \\(1\\).png")
    assert not failed, words
    failed, words = edited(with_openai, f"'{folder}/f\u00fcchse (1).png'", images=[str(folder / "f\u00fcchse (1).png")])
    assert not failed, words
    assert len(file_names(openai)) == 2


@exhaustive
def test_pictures_without_a_file_are_called_image(with_openai: Environ, openai: OpenAI, folder: Path) -> None:
    mask = base64.b64encode(png(64, 64, "white", "L")).decode()
    (folder / "mask.png").write_bytes(base64.b64decode(mask))
    failed, words = edited(
        with_openai, base64.b64encode(png(64, 64)).decode(), mask=str(folder / "mask.png"), operation="inpaint"
    )
    assert not failed, words
    assert file_names(openai) == ["image.png", "image.png"]  # the mask is one that was made from the file


@exhaustive
def test_a_missing_file_and_a_folder_that_is_not_allowed_are_told_apart_and_nothing_is_sent(
    with_openai: Environ, openai: OpenAI, folder: Path
) -> None:
    (folder.parent / "other" / "fox.png").write_bytes(png(64, 64))
    missing, there = folder / "fox.png", folder.parent / "other" / "fox.png"
    failed, words = edited(with_openai, str(missing))
    assert failed
    assert f"There is no file at “{missing}”." in words
    refused = {edited(with_openai, str(path))[1] for path in (there, there.with_name("owl.png"))}
    (words,) = refused  # the same, whether it exists or not
    assert "The path is not in an allowed folder." in words
    assert "ATELIER_INPUT_DIRS" in words
    assert not openai.requests


@exhaustive
@pytest.mark.parametrize("kind", sample(["HEIF", "AVIF"], ["HEIF"]))
def test_a_phones_photo_reaches_a_vendor_as_what_it_takes(
    with_openai: Environ, openai: OpenAI, folder: Path, kind: str
) -> None:
    (folder / "IMG_0001.HEIC").write_bytes(phone_file(kind))
    failed, words = edited(with_openai, str(folder / "IMG_0001.HEIC"))
    assert not failed, words
    assert openai.sources[-1][0].format == "PNG"
    assert file_names(openai) == ["IMG_0001.HEIC.png"]
    failed, words = edited(with_openai, base64.encodebytes(phone_file(kind)).decode())
    assert not failed, words


@exhaustive
def test_without_the_decoder_one_sentence_names_the_extra(with_openai: Environ, openai: OpenAI, folder: Path) -> None:
    (folder / "IMG_0001.HEIC").write_bytes(phone_file("HEIF"))
    failed, words = edited(with_openai, str(folder / "IMG_0001.HEIC"), MISSING)
    assert failed
    assert 'pip install "atelier-mcp[heic]"' in words
    assert not openai.requests


@exhaustive
def test_what_a_file_is_called_is_kept_nowhere(
    with_openai: Environ, openai: OpenAI, folder: Path, tmp_path: Path
) -> None:
    (folder / "private.png").write_bytes(png(64, 64))
    assert not edited(with_openai, str(folder / "private.png"))[0]
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent != folder]
    assert any(path.suffix == ".json" for path in kept), kept
    assert any(path.name == "journal.db" for path in kept), kept
    assert not [path for path in kept if b"private" in path.read_bytes()]


@exhaustive
def test_on_the_command_line_a_screenshot_is_found_in_any_folder(
    with_openai: Environ, openai: OpenAI, folder: Path
) -> None:
    place = folder.parent / "other"
    (place / SCREENSHOT).write_bytes(png(64, 64))
    done = atelier(with_openai, "edit", str(place / SCREENSHOT.replace("\u202f", " ")), "in the snow")
    assert done.returncode == 0, done.stderr
    (place / SCREENSHOT.replace("\u202f", "\u00a0")).write_bytes(png(64, 64))
    done = atelier(with_openai, "edit", str(place / SCREENSHOT.replace("\u202f", " ")), "in the snow")
    assert done.returncode != 0
    assert "Several files match" in done.stderr
