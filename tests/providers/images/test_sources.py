"""Tests of source images: every way to name one, and refusals with the ways that work."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.tracing import new_id
from atelier.providers.images.asset_storage import Asset
from atelier.providers.images.sources import SourceLimits, SourceReader
from tests.conftest import png
from tests.exhaustive import examples
from tests.providers.images.test_provenance import with_facts

pytestmark = pytest.mark.anyio

FOX, OWL = png(8, 8, "orange"), png(9, 9, "brown")


class AssetReader:
    """A storage with two assets; the owl is the newest."""

    def __init__(self) -> None:
        self.fox = Asset(new_id("img"), FOX, {"provider": "openai"})
        self.owl = Asset(new_id("img"), OWL, {"provider": "sketch"})

    async def get(self, id: str) -> Asset | None:
        return next((asset for asset in (self.fox, self.owl) if asset.id == id), None)

    async def newest(self, limit: int = 1, before: str | None = None) -> list[Mapping[str, Any]]:
        return [{"id": self.owl.id}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An allowed folder with an image, beside a secret one."""
    for name in ("allowed", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "fox.png").write_bytes(FOX)
    return tmp_path / "allowed"


async def refusal(sources: SourceReader, words: str) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await sources.read(words)
    assert caught.value.hint
    return caught.value


async def test_assets_are_named_by_id_resource_uri_and_last() -> None:
    assets = AssetReader()
    sources = SourceReader(assets)
    id = assets.fox.id
    for words in (
        id,
        f"image://assets/{id}",
        f" {id} ",
        f"{id}.png",
        f"Asset id: {id}",
        f"![fox](sandbox:/x/{id}.png)",
    ):
        found = await sources.read(words)
        assert (found.picture.image_bytes, found.id, found.provider) == (FOX, assets.fox.id, "openai")
    for words in ("last", "Last"):
        assert (await sources.read(words)).picture.image_bytes == OWL
    error = await refusal(sources, f"{id} and {assets.owl.id}")
    assert error.message == "This does not name an image."


async def test_the_file_of_an_asset_is_that_asset(folder: Path) -> None:
    assets = AssetReader()
    sources = SourceReader(assets, folders=(folder,))
    (folder / f"{assets.fox.id}.png").write_bytes(FOX)
    (folder / f"{assets.owl.id}.png").write_bytes(FOX)  # a name is not enough
    found = await sources.read(str(folder / f"{assets.fox.id}.png"))
    assert (found.id, found.provider) == (assets.fox.id, "openai")
    assert (await sources.read(str(folder / f"{assets.owl.id}.png"))).id is None


async def test_an_asset_is_recognised_by_its_facts_which_are_removed(folder: Path) -> None:
    assets = AssetReader()
    marked = with_facts(FOX, {"id": assets.fox.id, "prompt": "a secret", "actual_usd": 0.04})
    assets.fox = Asset(assets.fox.id, marked, {"provider": "openai"})
    sources = SourceReader(assets, folders=(folder,))
    (folder / "renamed.png").write_bytes(marked)
    inline = f"data:image/png;base64,{base64.b64encode(marked).decode()}"
    for words in (assets.fox.id, str(folder / "renamed.png"), inline):
        found = await sources.read(words)
        assert (found.id, found.provider) == (assets.fox.id, "openai")
        assert found.picture.image_bytes == FOX
    (folder / "renamed.png").write_bytes(with_facts(OWL, {"id": assets.fox.id}))
    stranger = await sources.read(str(folder / "renamed.png"))
    assert (stranger.id, stranger.picture.image_bytes) == (None, OWL)


async def test_a_storage_failure_does_not_stop_reading_a_file(folder: Path) -> None:
    class Away(AssetReader):
        async def get(self, id: str) -> Asset | None:
            raise ImageError(Reason.STORAGE_FAILED, "away")

    (folder / "fox.png").write_bytes(with_facts(FOX, {"id": new_id("img")}))
    assert (await SourceReader(Away(), folders=(folder,)).read(str(folder / "fox.png"))).picture.image_bytes == FOX


@pytest.mark.parametrize("words", ["img_" + "0" * 26, "image://assets/img_" + "0" * 26])
async def test_an_unknown_id_is_not_found(words: str) -> None:
    assert (await refusal(SourceReader(AssetReader()), words)).reason is Reason.NOT_FOUND
    assert (await refusal(SourceReader(), "last")).reason is Reason.NOT_FOUND


async def test_a_file_in_an_allowed_folder_may_be_named_by_path_or_file_address(folder: Path) -> None:
    sources = SourceReader(folders=(folder,))
    for words in (str(folder / "fox.png"), (folder / "fox.png").as_uri(), str(folder / "." / "fox.png")):
        found = await sources.read(words)
        assert (found.picture.image_bytes, found.id) == (FOX, None)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
async def test_a_file_elsewhere_is_refused_like_one_that_does_not_exist(folder: Path) -> None:
    sources, secret = SourceReader(folders=(folder,)), folder.parent / "secret" / "fox.png"
    (folder / "link.png").symlink_to(secret)
    (folder / "dangling.png").symlink_to(secret.parent / "none.png")
    (folder / "deep").symlink_to(secret.parent)
    (folder / "round").symlink_to(folder / "round")
    (secret.parent / "owl\u202f1.png").write_bytes(OWL)
    (secret.parent / "owl\u00a01.png").write_bytes(OWL)
    paths = [
        *(secret.parent / name for name in ("fox.png", "none.png", "owl 1.png", "owl\\ 1.png")),
        *(folder / "deep" / name for name in ("fox.png", "none.png", "owl 1.png", "owl\\ 1.png", "none/none.png")),
        *(folder / ".." / "secret" / name for name in ("fox.png", "none.png", "owl 1.png")),
        *(folder / name for name in ("link.png", "dangling.png")),
        *(folder.parent / f"{folder.name}2" / name for name in ("fox.png", "none.png")),
    ]
    words = [str(path) for path in paths] + [secret.as_uri(), "/etc/passwd", "/none", "~/.ssh/id_rsa", "~nobody/x"]
    refused = [await refusal(sources, each) for each in words]
    assert {error.message for error in refused} == {"The path is not in an allowed folder."}
    assert all("ATELIER_INPUT_DIRS" in error.hint for error in refused), refused


async def test_a_file_missing_in_an_allowed_folder_is_named_by_its_path(folder: Path) -> None:
    sources = SourceReader(folders=(folder,))
    for path in ("none.png", "none/fox.png", "none/../nor this.png", "fox.png/fox.png", "x\n\u202e.png"):
        error = await refusal(sources, str(folder / path))
        assert error.message.startswith(f"There is no file at “{folder}")
        assert error.message.isprintable()
        assert "ATELIER_INPUT_DIRS" in error.hint
    assert f"“{(folder / 'none.png').as_uri()}”" in (await refusal(sources, (folder / "none.png").as_uri())).message
    assert len((await refusal(sources, str(folder / ("x" * 400)))).message) < 200


SPELLED = {
    "a narrow space of macOS": (
        "Screenshot 2026-11-29 at 9.41.07\u202fAM.png",
        "Screenshot 2026-11-29 at 9.41.07 AM.png",
    ),
    "a space that does not break": ("red\u00a0fox.png", "red fox.png"),
    "a plain space where another is meant": ("red fox.png", "red\u00a0fox.png"),
    "another language's space": ("red\u3000fox.png", "red\u2009fox.png"),
    "an accent apart": ("fu\u0308chse.png", "f\u00fcchse.png"),
    "an accent joined": ("f\u00fcchse.png", "fu\u0308chse.png"),
    "both": ("fu\u0308chse\u202f1.png", "f\u00fcchse 1.png"),
    "a folder too": ("fu\u0308chse\u202f1/red\u00a0fox.png", "f\u00fcchse 1/red fox.png"),
}
SHELL = {
    "a space": ("red fox.png", "red\\ fox.png"),
    "brackets": ("fox (1) & [owl].png", "fox\\ \\(1\\)\\ \\&\\ \\[owl\\].png"),
    "a quote": ("fox's.png", "fox'\\''s.png"),
    "a narrow space as a plain one": ("red\u202ffox.png", "red\\ fox.png"),
    "a narrow space as it is": ("red\u202ffox.png", "red\\\u202ffox.png"),
    "a backslash that is meant": ("red\\ fox.png", "red\\ fox.png"),
}


@pytest.mark.parametrize(("stored", "named"), SPELLED.values(), ids=SPELLED.keys())
async def test_a_name_that_differs_by_spaces_or_normal_form_finds_the_one_file(
    folder: Path, stored: str, named: str
) -> None:
    (folder / stored).parent.mkdir(exist_ok=True)
    (folder / stored).write_bytes(OWL)
    sources = SourceReader(folders=(folder,))
    for words in (str(folder / named), (folder / named).as_uri(), f"'{folder / named}'", f'"{folder / named}"'):
        assert (await sources.read(words)).picture.image_bytes == OWL


@pytest.mark.parametrize("written", ["`{}`", "<{}>", "@{}", "@'{}'", "`file://{}`"])
async def test_a_path_with_the_marks_of_a_chat_finds_its_file(folder: Path, written: str) -> None:
    (folder / "owl.png").write_bytes(OWL)
    sources = SourceReader(folders=(folder,))
    assert (await sources.read(written.format((folder / "owl.png").as_posix()))).picture.image_bytes == OWL


@pytest.mark.skipif(sys.platform == "win32", reason="a backslash stands between folders there")
@pytest.mark.parametrize(("stored", "named"), SHELL.values(), ids=SHELL.keys())
async def test_a_path_that_was_written_for_a_shell_finds_its_file(folder: Path, stored: str, named: str) -> None:
    (folder / stored).write_bytes(OWL)
    sources = SourceReader(folders=(folder,))
    for words in (f"{folder}/{named}", f"'{folder}/{named}'"):
        assert (await sources.read(words)).picture.image_bytes == OWL


async def test_the_exact_name_comes_first_and_an_ambiguous_one_is_refused(folder: Path) -> None:
    sources = SourceReader(folders=(folder,))
    (folder / "red\u202ffox.png").write_bytes(FOX)
    (folder / "red\u00a0fox.png").write_bytes(OWL)
    assert (await sources.read(str(folder / "red\u202ffox.png"))).picture.image_bytes == FOX
    for words in (folder / "red fox.png", folder / "red\\ fox.png"):
        error = await refusal(sources, str(words))
        assert error.message == f"Several files match “{words}”."
    (folder / "red fox.png").write_bytes(png(5, 5))
    assert (await sources.read(str(folder / "red fox.png"))).picture.width == 5


async def test_other_differences_in_a_name_are_not_ignored(folder: Path) -> None:
    (folder / "red fox².png").write_bytes(OWL)
    sources = SourceReader(folders=(folder,))
    for name in ("red fox2.png", "redfox².png", "red  fox².png", "Red fox².png"):
        if not (folder / name).exists():  # some systems do not tell large letters from small ones
            assert "no file" in (await refusal(sources, str(folder / name))).message


async def test_without_a_folder_no_path_is_read(folder: Path) -> None:
    assert (await refusal(SourceReader(), str(folder / "fox.png"))).reason is Reason.INVALID_REQUEST


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
async def test_pipes_and_folders_are_refused_at_once(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    sources = SourceReader(folders=(folder,))
    assert "not a file" in (await refusal(sources, str(folder / "pipe.png"))).message
    assert "not a file" in (await refusal(sources, str(folder))).message


async def test_the_content_of_a_file_decides_not_its_name(folder: Path) -> None:
    (folder / "fox.txt").write_bytes(FOX)
    (folder / "text.png").write_text("no picture")
    sources = SourceReader(folders=(folder,))
    assert (await sources.read(str(folder / "fox.txt"))).picture.format == "png"
    assert "not a PNG" in (await refusal(sources, str(folder / "text.png"))).message


@pytest.mark.parametrize(
    "head",
    ["image/png", "image/jpeg", "image/png;name=a.png", "application/octet-stream", "", "IMAGE/PNG"],
)
@pytest.mark.parametrize("written", [str, quote_plus], ids=["plain", "as in a URL"])
async def test_a_small_data_uri_is_a_picture(head: str, written: Callable[[str], str]) -> None:
    found = await SourceReader().read(f"data:{head};base64," + written(base64.b64encode(FOX).decode()))
    assert found.picture.image_bytes == FOX


@pytest.mark.parametrize(
    "words",
    [
        "",
        "a fox",
        "data:text/plain;base64,AAAA",
        "data:image/png,AAAA",
        "data:image/png;base64,!!!!",
        "data:image/png;base64," + "A" * (SourceLimits().max_bytes * 2),
        "https://127.0.0.1/fox.png",
        "http://example.com/fox.png",
        "ftp://example.com/fox.png",
        "img_short",
        "relative/fox.png",
        "\0/etc/passwd",
        "/\0",
    ],
)
async def test_other_text_is_refused_with_a_hint(folder: Path, words: str) -> None:
    error = await refusal(SourceReader(AssetReader(), (folder,)), words)
    assert error.reason is Reason.INVALID_REQUEST
    assert len(error.message) < 200


@given(words=st.text(max_size=80))
@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_text_breaks_the_reader(folder: Path, words: str) -> None:
    for text in (words, f"/{words}", f"file:{words}", f"data:{words}", f"~{words}", f"{folder}/{words}"):
        try:
            found = await SourceReader(AssetReader(), (folder,)).read(text)
        except ImageError as error:
            assert error.reason in (Reason.INVALID_REQUEST, Reason.NOT_FOUND)  # noqa: PT017
        else:
            assert found.picture.image_bytes in (FOX, OWL)
