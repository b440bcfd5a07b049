"""Pictures in a folder: where, how, and what happens when the disk says no."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.ids import new_id
from atelier.providers.core.images import picture
from atelier.server.storage.local import LocalStorage
from tests.conftest import files_in, png

pytestmark = pytest.mark.anyio

RECORD = {"created_at": "2026-11-21T09:00:00Z", "prompt": "a fox · 日本"}
PICTURE = picture(png(8, 8))


async def test_a_picture_and_its_record_stand_side_by_side_under_year_and_month(tmp_path: Path) -> None:
    id = new_id("img")
    stored = await LocalStorage(tmp_path / "out", tmp_path / "spare").put(id, PICTURE, RECORD)
    folder = tmp_path / "out" / "2026" / "11"
    assert files_in(tmp_path) == [folder / f"{id}.json", folder / f"{id}.png"]
    assert stored.path == str(folder / f"{id}.png")
    assert (folder / f"{id}.png").read_bytes() == PICTURE.image_bytes
    record = json.loads((folder / f"{id}.json").read_text(encoding="utf-8"))
    assert record == {**RECORD, "file": f"{id}.png"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps permissions elsewhere")
async def test_nobody_else_can_read_what_is_kept(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path / "out", tmp_path / "spare")
    stored = await store.put(new_id("img"), PICTURE, RECORD)
    await store.put_preview(stored, b"jpeg")
    files = files_in(tmp_path)
    assert len(files) == 3
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


async def test_a_preview_stands_beside_its_picture(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path / "out", tmp_path / "spare")
    stored = await store.put("img_x", PICTURE, RECORD)
    assert await store.get_preview(stored) is None
    assert await store.put_preview(stored, b"jpeg") == str(tmp_path / "out" / "2026" / "11" / "img_x.preview.jpg")
    assert await store.get_preview(stored) == b"jpeg"


async def test_a_preview_is_made_once(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path / "out", tmp_path / "spare")
    stored = await store.put("img_x", PICTURE, RECORD)
    await store.put_preview(stored, b"first")
    await store.put_preview(stored, b"second")
    assert await store.get_preview(stored) == b"first"


async def test_a_folder_that_cannot_be_made_sends_the_picture_to_the_other(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    stored = await LocalStorage(tmp_path / "out", tmp_path / "spare").put("img_x", PICTURE, RECORD)
    assert Path(stored.path or "").read_bytes() == PICTURE.image_bytes
    assert Path(stored.path or "").is_relative_to(tmp_path / "spare")
    assert str(tmp_path / "out") in stored.warning
    assert "ATELIER_OUTPUT_DIR" in stored.warning


async def test_when_no_folder_takes_it_the_error_says_which_and_why(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(ImageError) as caught:
        await LocalStorage(tmp_path / "out", tmp_path / "out").put("img_x", PICTURE, RECORD)
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert str(tmp_path / "out") in caught.value.message
    assert "ATELIER_OUTPUT_DIR" in caught.value.hint


async def test_a_disk_that_fills_up_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, list[int]()

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:  # the record is down, the picture is not
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    stored = await LocalStorage(tmp_path / "out", tmp_path / "spare").put("img_x", PICTURE, RECORD)
    assert files_in(tmp_path / "out") == []
    assert Path(stored.path or "").is_relative_to(tmp_path / "spare")
