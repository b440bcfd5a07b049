"""Pictures in a folder: where, who can read them, and what happens when the disk says no."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.tracing import new_id, time_of, uuid_of
from atelier.providers.images.identify import picture
from atelier.server.storage.local import LocalStorage
from tests.conftest import files_in, png

pytestmark = pytest.mark.anyio

PICTURE = picture(png(8, 8))


def record(id: str) -> dict[str, str]:
    return {"id": id, "created_at": "2026-11-21T09:00:00Z", "prompt": "a fox · 日本"}


async def test_a_picture_its_record_and_its_preview_stand_side_by_side_under_year_and_month(tmp_path: Path) -> None:
    id, store = new_id("img"), LocalStorage(tmp_path / "out")
    stored = await store.put(id, PICTURE, record(id))
    preview = await store.put_preview(id, b"jpeg")
    made = datetime.fromtimestamp(time_of(uuid_of(id)), UTC)
    folder = tmp_path / "out" / f"{made:%Y}" / f"{made:%m}"
    assert files_in(tmp_path) == [folder / f"{id}.json", folder / f"{id}.png", folder / f"{id}.preview.jpg"]
    assert (stored.path, preview) == (str(folder / f"{id}.png"), str(folder / f"{id}.preview.jpg"))
    assert (folder / f"{id}.png").read_bytes() == PICTURE.image_bytes
    told = json.loads((folder / f"{id}.json").read_text(encoding="utf-8"))
    assert told == {**record(id), "file": f"{id}.png", "sha256": told["sha256"]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps permissions elsewhere")
async def test_nobody_else_can_read_what_is_kept(tmp_path: Path) -> None:
    id, store = new_id("img"), LocalStorage(tmp_path / "out")
    await store.put(id, PICTURE, record(id))
    await store.put_preview(id, b"jpeg")
    files = files_in(tmp_path)
    assert len(files) == 3
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    for folder in (store.folder, files[0].parent.parent, files[0].parent):
        assert folder.stat().st_mode & 0o077 == 0


async def test_the_disk_is_not_waited_for_on_the_event_loops_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, threads = os.fsync, set[int]()

    def watched(handle: int) -> None:
        threads.add(threading.get_ident())
        real(handle)

    monkeypatch.setattr(os, "fsync", watched)
    id = new_id("img")
    await LocalStorage(tmp_path).put(id, PICTURE, record(id))
    assert threads
    assert threading.get_ident() not in threads


async def test_a_file_system_without_links_overwrites_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(self: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", none)
    id, store = new_id("img"), LocalStorage(tmp_path)
    await store.put(id, PICTURE, record(id))
    with pytest.raises(ImageError):
        await store.put(id, picture(png(9, 9)), record(id))
    asset = await store.get(id)
    assert asset is not None
    assert asset.image_bytes == PICTURE.image_bytes
    assert len(files_in(tmp_path)) == 2


async def test_a_folder_that_cannot_be_made_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(ImageError) as caught:
        await LocalStorage(tmp_path / "out", "ATELIER_STATE_DIR").put(new_id("img"), PICTURE, {})
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert str(tmp_path / "out") in caught.value.message
    assert "ATELIER_STATE_DIR" in caught.value.hint


@pytest.mark.parametrize("at", [1, 2], ids=["record", "picture"])
async def test_a_disk_that_fills_up_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    real, calls = os.fsync, list[int]()

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == at:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    id, store = new_id("img"), LocalStorage(tmp_path)
    with pytest.raises(ImageError) as caught:
        await store.put(id, PICTURE, record(id))
    assert "No space left" in caught.value.message
    assert "Free some space" in caught.value.hint
    assert files_in(tmp_path) == []
    await store.put(id, PICTURE, record(id))
    assert await store.get(id)


async def test_a_put_that_was_killed_half_way_can_be_repeated(tmp_path: Path) -> None:
    id, store = new_id("img"), LocalStorage(tmp_path)
    stored = await store.put(id, PICTURE, record(id))
    path = Path(stored.path or "")
    path.rename(path.with_name(f".{path.name}.part"))  # as if the power had gone between record and picture
    assert await store.get(id) is None
    assert await store.newest() == []
    assert (await store.put(id, PICTURE, record(id))).path == stored.path
    assert await store.get(id)


@pytest.mark.parametrize("words", [b"", b"{", b"[]", b'{"id": 1}', b'{"id": "x", "file": "../../x.png"}', b"[" * 9999])
async def test_a_record_that_is_none_is_as_if_it_were_not_there(tmp_path: Path, words: bytes) -> None:
    id, store = new_id("img"), LocalStorage(tmp_path)
    stored = await store.put(id, PICTURE, record(id))
    Path(stored.path or "").with_suffix(".json").write_bytes(words)
    assert await store.get(id) is None
    assert await store.newest() == []


async def test_a_folder_is_read_once_and_again_when_another_process_has_changed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other, reads = LocalStorage(tmp_path), LocalStorage(tmp_path), list[Path]()
    real = os.scandir

    def counted(path: Path) -> Any:
        reads.extend([path] if re.fullmatch(r"\d\d", path.name) else [])  # of a month; few folders are above it
        return real(path)

    monkeypatch.setattr(os, "scandir", counted)

    async def put(store: LocalStorage) -> str:
        id = new_id("img")
        await store.put(id, PICTURE, record(id))
        await store.put_preview(id, b"jpeg")
        return id

    async def listed(limit: int = 100, before: str | None = None) -> list[str]:
        return [each["id"] for each in await own.newest(limit, before)]

    ids = [await put(own)]
    assert await listed() == ids
    for _ in range(5):
        ids.insert(0, await put(own))
        assert await listed() == ids
    assert await own.delete(ids.pop(2))
    assert await listed() == ids
    assert await listed(2, ids[1]) == ids[2:4]
    assert len(reads) == 1
    ids.insert(0, await put(other))
    assert await listed() == ids
    assert await other.delete(ids.pop(1))
    await put(own)  # does not hide that the other changed the folder
    assert (await listed())[1:] == ids
    assert len(reads) == 3
