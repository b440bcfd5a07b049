"""What a storage does not take waits on this machine, and is delivered once, whoever flushes and whatever breaks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import AssetHandle
from atelier.providers.core.tracing import new_id, uuid_of
from atelier.providers.core.types import Picture
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.identify import picture
from atelier.providers.testing.server import Answer
from atelier.providers.testing.waiting import LONG
from atelier.server.storage import upload_queue as module
from atelier.server.storage.local import LocalStorage
from atelier.server.storage.upload_queue import UploadOutcome, UploadQueue
from tests.conftest import files_in, png
from tests.emulators.s3 import Front, Ministack
from tests.exhaustive import exhaustive
from tests.server.storage.conftest import Place
from tests.server.storage.test_storage import FOX, OWL, put

pytestmark = pytest.mark.anyio


@pytest.fixture
def waiting(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "spool", "ATELIER_STATE_DIR")


def before(store: Storage, waiting: LocalStorage) -> UploadQueue:
    """A spool as assembly makes it for a bucket."""
    return UploadQueue(store, waiting, write_ahead=True)


async def flush(spool: UploadQueue) -> list[UploadOutcome]:
    return [flushed async for flushed in spool.flush()]


def pictures(place: Place) -> list[str]:
    return [key.rpartition("/")[2] for key in place.objects if key.endswith(".png")]


async def test_what_the_bucket_takes_does_not_stay_behind(place: Place, waiting: LocalStorage) -> None:
    stored = await put(before(place.storage(), waiting))
    assert (stored.path, stored.warning) == (None, "")
    assert files_in(waiting.folder) == []


@pytest.mark.parametrize("trouble", ["bucket missing", "unreachable", "credentials", "denied"])
async def test_what_the_bucket_refuses_waits_can_be_used_and_is_delivered_once(
    place: Place, server: Ministack, waiting: LocalStorage, nobody: str, trouble: str
) -> None:
    refusing = {
        "bucket missing": lambda: place.storage(name="no-such-bucket"),
        "unreachable": lambda: place.storage(endpoint=nobody),
        "credentials": lambda: place.storage(type(place.keys)(place.keys.id, "wrong")),
        "denied": lambda: place.storage(server.user("s3:GetObject", "s3:ListBucket")),
    }[trouble]()
    spool = before(refusing, waiting)
    stored = await put(spool)
    assert Path(stored.path or "").read_bytes() == FOX.image_bytes
    assert stored.url is None
    assert str(waiting.folder) in stored.warning
    assert "atelier flush" in stored.warning
    asset = await spool.get(stored.id)
    assert asset is not None
    assert asset.record["prompt"] == (await spool.head(stored.id) or {})["prompt"]
    assert await spool.link(stored.id) is None
    here = await spool.where(stored.id)
    assert here is not None
    assert (here.path, "atelier flush" in here.warning) == (stored.path, True)
    assert await spool.put_preview(stored.id, b"jpeg") == str(Path(stored.path or "").with_suffix(".preview.jpg"))

    (left,) = await flush(spool)
    assert left.stored is None
    assert left.problem

    (done,) = await flush(before(place.storage(), waiting))
    assert done.stored is not None
    assert done.stored.url
    uuid = uuid_of(stored.id)
    assert [key.rpartition("/")[2] for key in place.objects] == [f"{uuid}.json", f"{uuid}.png", f"{uuid}.preview.jpg"]
    assert files_in(waiting.folder) == []
    assert await flush(before(place.storage(), waiting)) == []
    again = await place.storage().head(stored.id)
    assert again is not None
    assert again["prompt"] == asset.record["prompt"]


async def test_the_newest_are_those_of_both(place: Place, waiting: LocalStorage, nobody: str) -> None:
    good, bad = before(place.storage(), waiting), before(place.storage(endpoint=nobody), waiting)
    ids = [(await put(storage)).id for storage in (good, bad, good, bad)]
    assert [record["id"] for record in await good.newest(9)] == ids[::-1]
    assert [record["id"] for record in await good.newest(2, before=ids[3])] == [ids[2], ids[1]]
    with pytest.raises(ImageError) as caught:
        await bad.newest()
    assert ids[3] in caught.value.hint


async def test_a_deleted_picture_no_longer_waits(place: Place, waiting: LocalStorage, nobody: str) -> None:
    stored = await put(before(place.storage(endpoint=nobody), waiting))
    spool = before(place.storage(), waiting)
    assert await spool.delete(stored.id) is True
    assert await flush(spool) == []
    assert place.objects == []


class SilentStore(LocalStorage):
    """A store that takes a picture and never answers, until it is no longer silent."""

    asked = 0
    silent = True

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        self.asked += 1
        if self.silent:
            await anyio.sleep_forever()
        return await super().put(id, picture, record)


async def test_a_silent_store_is_waited_for_once(
    tmp_path: Path, waiting: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, store = [0.0], SilentStore(tmp_path / "out")
    monkeypatch.setattr(module, "STORE_TIMEOUT", 0.01)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    spool = UploadQueue(store, waiting, write_ahead=True)
    with anyio.fail_after(LONG):
        first, second = await put(spool), await put(spool)
    assert "no answer" in first.warning
    assert "no answer" in second.warning
    assert store.asked == 1
    store.silent = False
    now[0] += 0.01
    monkeypatch.setattr(module, "STORE_TIMEOUT", LONG)
    third = await put(spool)
    assert (Path(third.path or "").is_relative_to(tmp_path / "out"), third.warning, store.asked) == (True, "", 2)


async def test_a_full_spool_does_not_keep_a_picture_from_the_bucket(place: Place, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    assert (await put(before(place.storage(), LocalStorage(tmp_path / "spool")))).url


async def test_when_neither_takes_it_both_say_why(place: Place, tmp_path: Path, nobody: str) -> None:
    (tmp_path / "spool").write_text("in the way")
    spool = before(place.storage(endpoint=nobody), LocalStorage(tmp_path / "spool", "ATELIER_STATE_DIR"))
    with pytest.raises(ImageError) as caught:
        await put(spool)
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert nobody in caught.value.message
    assert str(tmp_path / "spool") in caught.value.message
    assert "ATELIER_STATE_DIR" in caught.value.hint


async def test_a_local_folder_that_fails_has_the_same_spool(tmp_path: Path, waiting: LocalStorage) -> None:
    (tmp_path / "out").write_text("in the way")
    spool = UploadQueue(LocalStorage(tmp_path / "out"), waiting, write_ahead=False)
    stored = await put(spool)
    assert Path(stored.path or "").is_relative_to(waiting.folder)
    assert "ATELIER_OUTPUT_DIR" in stored.warning
    (tmp_path / "out").unlink()
    (done,) = await flush(spool)
    assert done.stored is not None
    assert Path(done.stored.path or "").read_bytes() == FOX.image_bytes
    assert Path(done.stored.path or "").is_relative_to(tmp_path / "out")
    assert files_in(waiting.folder) == []


async def many_waiting(place: Place, waiting: LocalStorage, n: int) -> list[str]:
    """Ids of pictures that wait, oldest first, each of them another."""
    ids = sorted(new_id("img") for _ in range(n))
    for side, id in enumerate(ids, 1):
        await waiting.put(id, picture(png(side, side)), {"id": id})
    return ids


@exhaustive
async def test_two_who_flush_at_once_deliver_everything_once(place: Place, waiting: LocalStorage) -> None:
    ids, told = await many_waiting(place, waiting, 12), list[UploadOutcome]()

    async def run() -> None:
        told.extend(await flush(before(place.storage(), waiting)))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(run)
    assert not [flushed.problem for flushed in told if flushed.problem]
    assert {flushed.id for flushed in told} == set(ids)
    assert sorted(pictures(place)) == sorted(f"{uuid_of(id)}.png" for id in ids)
    assert files_in(waiting.folder) == []


@exhaustive
async def test_a_put_under_way_and_a_flush_do_not_disturb_each_other(place: Place, waiting: LocalStorage) -> None:
    spool = before(place.storage(), waiting)
    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(put, spool)
            tasks.start_soon(flush, before(place.storage(), waiting))
    assert len(pictures(place)) == 12
    assert files_in(waiting.folder) == []


async def test_a_poisoned_picture_is_reported_and_holds_up_none(place: Place, waiting: LocalStorage) -> None:
    ids = await many_waiting(place, waiting, 6)
    files = {path.name: path for path in files_in(waiting.folder)}
    files[f"{ids[0]}.png"].write_bytes(b"\x89PNG cut short")
    files[f"{ids[1]}.json"].write_text("{")
    files[f"{ids[2]}.png"].unlink()
    await place.storage().put(ids[3], OWL, {"id": ids[3]})  # another picture is there already
    told = {flushed.id: flushed for flushed in await flush(before(place.storage(), waiting))}
    assert {id for id, flushed in told.items() if flushed.problem} == set(ids[:4])
    assert {id for id, flushed in told.items() if flushed.stored} == set(ids[4:])
    assert "taken" not in told[ids[0]].problem
    assert "already stored" in told[ids[3]].problem
    assert set(await waiting.ids()) == set(ids[:4])
    assert len(pictures(place)) == 3


async def test_a_removal_that_broke_off_is_finished_by_the_next_flush(place: Place, waiting: LocalStorage) -> None:
    (id,) = await many_waiting(place, waiting, 1)
    await place.storage().put(id, picture(png(1, 1)), {"id": id})
    next(path for path in files_in(waiting.folder) if path.suffix == ".png").unlink()
    assert await flush(before(place.storage(), waiting)) == []
    assert files_in(waiting.folder) == []


async def test_a_store_in_trouble_is_not_asked_for_every_picture(
    place: Place, front: Front, waiting: LocalStorage
) -> None:
    ids = await many_waiting(place, waiting, 5)
    denied = b"<Error><Code>AccessDenied</Code></Error>"
    front.next(*[Answer(403, denied, {"content-type": "application/xml"})] * 9)
    told = await flush(before(place.storage(endpoint=front.url), waiting))
    assert [flushed.id for flushed in told] == ids
    assert all(flushed.problem for flushed in told), told
    assert len(front.requests) == 1


def command(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "atelier.server", "flush", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@exhaustive
async def test_the_command_tells_of_each_picture_and_of_what_still_waits(
    place: Place, environ: dict[str, str], tmp_path: Path
) -> None:
    environ |= in_the_bucket(place)
    waiting = LocalStorage(tmp_path / "state" / "spool" / "7")
    ids = await many_waiting(place, waiting, 3)
    next(path for path in files_in(waiting.folder) if path.name == f"{ids[1]}.png").write_bytes(b"")
    done = command(environ)
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines()] == [ids[0], ids[2], "2"]
    assert done.stdout.splitlines()[-1] == "2 uploaded, 1 still queued."
    assert ids[1] in done.stderr
    told: dict[str, Any] = json.loads(command(environ, "--json").stdout)
    assert (told["delivered"], [left["id"] for left in told["waiting"]]) == ([], [ids[1]])
    for path in files_in(waiting.folder):
        path.unlink()
    done = command(environ)
    assert (done.returncode, done.stdout) == (0, "0 uploaded, 0 still queued.\n")


def in_the_bucket(place: Place, endpoint: str | None = None) -> dict[str, str]:
    """The settings of someone whose pictures go to that bucket."""
    return {
        "ATELIER_STORAGE": "s3",
        "ATELIER_S3_BUCKET": place.name,
        "ATELIER_S3_ENDPOINT_URL": endpoint or place.server.url,
        "ATELIER_CUSTOMER_ID": "7",
        "AWS_EC2_METADATA_DISABLED": "true",
        **place.keys.environ,
    }
