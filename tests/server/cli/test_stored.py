"""The commands for stored images, and images in the terminal."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Environ, files_in
from tests.exhaustive import exhaustive, parameters
from tests.server.cli.in_process import atelier
from tests.server.cli.terminal import in_terminal

SMALL = ("--size", "64x64")


@pytest.fixture
def ids(environ: Environ) -> list[str]:
    """The ids of two images, the newest first."""
    for prompt in ("a <b>fox</b>", "a cat"):
        assert atelier(environ, "generate", prompt, *SMALL).returncode == 0
    return [each["id"] for each in json.loads(atelier(environ, "list", "--json").stdout)]


def test_images_are_listed_and_shown_with_their_place(environ: Environ, ids: list[str], tmp_path: Path) -> None:
    head, *lines = atelier(environ, "list").stdout.splitlines()
    assert head.split() == ["image", "made", "(UTC)", "size", "model", "cost", "prompt"]
    assert [line.split()[0] for line in lines] == ids
    assert lines[0].endswith("a cat")
    told = json.loads(atelier(environ, "show", ids[0], "--json").stdout)
    assert Path(told["path"]) in files_in(tmp_path / "out")


def test_a_gallery_is_one_page_that_shows_what_was_made(environ: Environ, ids: list[str], tmp_path: Path) -> None:
    done = atelier(environ, "gallery", str(tmp_path / "page.html"), "--no-open")
    assert done.stdout.strip() == str(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert all(id in page for id in ids)
    assert "a &lt;b&gt;fox&lt;/b&gt;" in page
    assert "<b>" not in page
    assert len(re.findall(r'src="data:image/jpeg;base64,[A-Za-z0-9+/=]{500,}"', page)) == 2
    assert all(Path(link).is_file() for link in re.findall(r'href="file://([^"]+)"', page))


def test_images_are_deleted_only_when_a_person_says_so(environ: Environ, ids: list[str], tmp_path: Path) -> None:
    refused = atelier(environ, "rm", "last")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--yes" in refused.stderr
    assert len(json.loads(atelier(environ, "list", "--json").stdout)) == 2
    assert atelier(environ, "rm", "last", "--yes").returncode == 0
    assert [each["id"] for each in json.loads(atelier(environ, "list", "--json").stdout)] == ids[1:]
    assert atelier(environ, "rm", ids[0], "--yes").returncode == 1
    assert not [path for path in files_in(tmp_path / "out") if ids[0] in path.name]


@exhaustive
def test_a_person_is_asked_before_images_are_deleted(environ: Environ, ids: list[str]) -> None:
    assert in_terminal(environ, "rm", "last", typed={"[y/N]": "n\n"}).code == 1
    assert len(json.loads(atelier(environ, "list", "--json").stdout)) == 2
    assert in_terminal(environ, "rm", "last", typed={"[y/N]": "y\n"}).code == 0
    assert [each["id"] for each in json.loads(atelier(environ, "list", "--json").stdout)] == ids[1:]


def test_old_images_are_pruned_and_the_newest_kept(environ: Environ, ids: list[str], tmp_path: Path) -> None:
    (record,) = [path for path in files_in(tmp_path / "out") if path.name == f"{ids[1]}.json"]
    facts = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(json.dumps({**facts, "created_at": "2020-01-01T00:00:00Z"}), encoding="utf-8")
    assert atelier(environ, "prune").returncode == 2
    assert "Nothing to delete." in atelier(environ, "prune", "--older-than", "30d", "--keep", "2", "--yes").stdout
    tried = atelier(environ, "prune", "--older-than", "30d", "--dry-run").stdout
    assert ids[1] in tried
    assert ids[0] not in tried
    assert atelier(environ, "prune", "--older-than", "30d", "--yes").returncode == 0
    assert [each["id"] for each in json.loads(atelier(environ, "list", "--json").stdout)] == ids[:1]


@pytest.mark.parametrize(
    ("arguments", "protocol"),
    [
        parameters(arguments, protocol, is_fast=(arguments[0], protocol) == ("show", "kitty"))
        for arguments in (("show", "last"), ("generate", "a fox", *SMALL))
        for protocol in ("kitty", "iterm2", "sixel", "none")
    ],
)
def test_an_image_is_shown_in_a_terminal_that_can(
    environ: Environ, ids: list[str], arguments: tuple[str, ...], protocol: str
) -> None:
    terminals = {"kitty": {"TERM": "xterm-kitty"}, "iterm2": {"TERM_PROGRAM": "iTerm.app"}, "sixel": {"TERM": "foot"},
                 "none": {"TERM": "xterm-kitty", "TMUX": "x"}}  # fmt: skip
    raw = in_terminal(environ | terminals[protocol], *arguments).raw
    if protocol == "kitty":
        parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", raw)
        assert parts[0][0].startswith("a=T,f=100")
        assert parts[-1][0].endswith("m=0")
        assert Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in parts)))).size == (64, 64)
    elif protocol == "iterm2":
        (data,) = re.findall(r"\x1b\]1337;File=inline=1;[^:]*:([A-Za-z0-9+/=]+)\x07", raw)
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (64, 64)
    else:
        assert bool(re.search(r'\x1bP0;1q"1;1;64;64#0;2;', raw)) == (protocol == "sixel")
        assert "\x1b_G" not in raw


@exhaustive
def test_sixels_draw_the_image(environ: Environ, ids: list[str], tmp_path: Path) -> None:
    """Decode what is printed, by the rules of DEC: each character is six pixels of the current colour."""
    grey = Image.linear_gradient("L")
    grey.thumbnail((20, 20))
    grey.save(tmp_path / "grey.png")
    raw = in_terminal(environ | {"TERM": "foot"}, "show", str(tmp_path / "grey.png")).raw
    found = re.search(r'\x1bP0;1q"1;1;20;20(.*?)\x1b\\', raw, re.DOTALL)
    assert found
    colours, pixels = dict[str, int](), dict[tuple[int, int], int]()
    for number, red in re.findall(r"#(\d+);2;(\d+);\d+;\d+", found[1]):
        colours[number] = int(red)
    for band, text in enumerate(re.sub(r"#\d+;2;\d+;\d+;\d+", "", found[1]).split("-")):
        for run in filter(None, text.split("$")):
            colour, characters = re.match(r"#(\d+)(.*)", run, re.DOTALL).groups()  # type: ignore[union-attr]
            for x, character in enumerate(characters):
                for bit in range(6):
                    if (ord(character) - 63) >> bit & 1:
                        pixels[x, band * 6 + bit] = colours[colour]
    assert len(pixels) == 20 * 20
    assert [pixels[5, y] for y in range(20)] == sorted(pixels[5, y] for y in range(20))
    assert pixels[5, 19] - pixels[5, 0] > 80


@exhaustive
def test_an_image_is_opened_by_the_browser_of_the_person(environ: Environ, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    in_terminal(environ | {"BROWSER": str(browser)}, "generate", "a fox", *SMALL, "--open")
    assert opened.read_text().strip().startswith(f"file://{tmp_path}/out/")
