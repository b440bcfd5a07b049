"""The promise of `Storage`, cell by cell, kept by every kind."""

from __future__ import annotations

import os
import time
from functools import cache
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import anyio
import pytest
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import AssetHandle
from atelier.providers.core.tracing import id_of, new_id
from atelier.providers.core.types import Picture
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.identify import picture
from atelier.providers.transport.network.http_client import httpx
from tests.conftest import encoded_png, png
from tests.exhaustive import sample

pytestmark = pytest.mark.anyio

FOX, OWL = picture(png(8, 8, "orange")), picture(png(9, 9, "brown"))
CROW = picture(b"GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;")
MISSING = [
    "img_" + "0" * 26,
    "img_01m89xfxyzed5vd9wqmeccd4g4",
    "img_" + "i" * 26,
    "img_x",
    "last",
    "../../etc/passwd",
    "",
]


def record(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "prompt": "a fox · 日本 🦊", "created_at": "2026-11-21T09:00:00Z", "actual_usd": 0.04, **more}


def id_at(seconds: float) -> str:
    """An id that was made at that time."""
    return id_of(
        "img",
        UUID(int=round(seconds * 1000) << 80 | 0x7 << 76 | 0b10 << 62 | (UUID(bytes=os.urandom(16)).int & 0xFFFFFF)),
    )


async def put(storage: Storage, id: str = "", picture: Any = FOX, **more: Any) -> AssetHandle:
    id = id or new_id("img")
    return await storage.put(id, picture, record(id, **more))


async def test_what_is_put_is_there_with_its_record(storage: Storage) -> None:
    stored = await put(storage)
    asset, told = await storage.get(stored.id), await storage.head(stored.id)
    assert asset is not None
    assert told is not None
    assert (asset.id, asset.image_bytes) == (stored.id, FOX.image_bytes)
    assert asset.record == told
    assert {name: told[name] for name in record(stored.id)} == record(stored.id)
    assert str(told["file"]).endswith(".png")
    assert len(told["sha256"]) == 64
    assert stored.path or stored.url
    assert not stored.warning


@pytest.mark.parametrize("id", sample(MISSING, ["img_" + "0" * 26, "../../etc/passwd"]))
async def test_what_is_missing_is_none_everywhere(storage: Storage, id: str) -> None:
    await put(storage)
    assert await storage.get(id) is None
    assert await storage.head(id) is None
    assert await storage.link(id) is None
    assert await storage.get_preview(id) is None
    assert await storage.delete(id) is False


async def test_an_empty_storage_has_no_newest(storage: Storage) -> None:
    assert await storage.newest() == []
    assert await storage.newest(5, before=new_id("img")) == []


async def test_the_same_picture_again_is_the_same_and_its_first_record_stands(storage: Storage) -> None:
    first = await put(storage, seed=1)
    again = await put(storage, first.id, seed=2)
    assert (again.path, urlsplit(again.url or "").path) == (first.path, urlsplit(first.url or "").path)
    assert (await storage.head(first.id) or {})["seed"] == 1


@pytest.mark.parametrize("other", [OWL, CROW], ids=["png", "another format"])
async def test_another_picture_under_a_taken_id_is_refused_and_nothing_is_overwritten(
    storage: Storage, other: Any
) -> None:
    stored = await put(storage)
    with pytest.raises(ImageError) as caught:
        await put(storage, stored.id, other)
    assert (caught.value.reason, caught.value.facts["trouble"]) == (Reason.STORAGE_FAILED, "taken")
    asset = await storage.get(stored.id)
    assert asset is not None
    assert asset.image_bytes == FOX.image_bytes
    assert [found["id"] for found in await storage.newest(9)] == [stored.id]


async def test_what_is_deleted_is_gone_with_its_preview_and_may_come_again(storage: Storage) -> None:
    kept, stored = await put(storage), await put(storage)
    await storage.put_preview(stored.id, b"jpeg")
    assert await storage.delete(stored.id) is True
    assert await storage.delete(stored.id) is False
    assert await storage.get(stored.id) is None
    assert await storage.get_preview(stored.id) is None
    assert [found["id"] for found in await storage.newest(9)] == [kept.id]
    await put(storage, stored.id, OWL)
    assert (await storage.head(stored.id) or {})["id"] == stored.id


async def test_the_newest_come_first_page_by_page_over_years(storage: Storage) -> None:
    now, day = time.time(), 86_400
    ages = [800 * day, 400 * day, 399 * day, 40 * day, 39 * day, 2 * day, 1 * day, 7_200, 60, 0.5, 0.4]
    ids = [id_at(now - age) for age in ages]
    for id in ids[::2] + ids[1::2]:
        await put(storage, id)
    await storage.put_preview(ids[-1], b"jpeg")
    assert [found["id"] for found in await storage.newest()] == ids[-1:]
    seen = list[str]()
    for _ in range(4):
        page = await storage.newest(3, seen[-1] if seen else None)
        seen += [str(found["id"]) for found in page]
    assert seen == ids[::-1]
    assert all(later > earlier for later, earlier in pairwise(seen))
    assert [found["id"] for found in await storage.newest(100, before=ids[2])] == [ids[1], ids[0]]


async def test_a_link_gives_the_picture_to_whoever_has_it(storage: Storage) -> None:
    stored = await put(storage)
    link = await storage.link(stored.id)
    assert (link is None) == (stored.url is None)
    for url in filter(None, (link, stored.url)):
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(url)
        assert (answer.status_code, answer.content) == (200, FOX.image_bytes)
        assert answer.headers["content-type"] == "image/png"
        assert storage.id_in(url) == stored.id


@pytest.mark.parametrize("url", ["", "https://example.com/x.png", "http://127.0.0.1/x/customers/7/assets/image/1.png"])
async def test_other_addresses_are_no_links_of_ours(storage: Storage, url: str) -> None:
    assert storage.id_in(url) is None


async def test_a_preview_is_kept_beside_its_picture_and_can_be_made_anew(storage: Storage) -> None:
    stored = await put(storage)
    assert await storage.get_preview(stored.id) is None
    path = await storage.put_preview(stored.id, b"first")
    assert await storage.put_preview(stored.id, b"second") == path
    assert (path is None) == (stored.path is None)
    assert await storage.get_preview(stored.id) == b"second"


@cache
def big_noise() -> Picture:
    return picture(encoded_png(Image.frombytes("RGB", (2400, 2400), os.urandom(2400 * 2400 * 3))))


async def test_a_big_picture_comes_back_whole(storage: Storage) -> None:
    noise = big_noise()
    assert len(noise.image_bytes) > 16 * 2**20
    asset = await storage.get((await put(storage, picture=noise)).id)
    assert asset is not None
    assert asset.image_bytes == noise.image_bytes


async def test_of_one_picture_put_many_times_at_once_one_is_kept(storage: Storage) -> None:
    id, done = new_id("img"), list[AssetHandle]()

    async def again() -> None:
        done.append(await put(storage, id))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(again)
    assert {stored.id for stored in done} == {id}
    assert len(done) == 8
    assert [found["id"] for found in await storage.newest(9)] == [id]


async def test_of_different_pictures_put_at_once_under_one_id_one_wins_and_stays(storage: Storage) -> None:
    id, won, lost = new_id("img"), list[bytes](), list[Any]()

    async def one(side: int) -> None:
        mine = picture(png(side, side))
        try:
            await put(storage, id, mine)
            won.append(mine.image_bytes)
        except ImageError as error:
            lost.append(error.facts["trouble"])

    async with anyio.create_task_group() as tasks:
        for side in range(1, 9):
            tasks.start_soon(one, side)
    assert (len(won), lost) == (1, ["taken"] * 7)
    asset = await storage.get(id)
    assert asset is not None
    assert asset.image_bytes == won[0]


async def test_many_puts_at_once_all_arrive(storage: Storage) -> None:
    ids = [new_id("img") for _ in range(40)]
    async with anyio.create_task_group() as tasks:
        for id in ids:
            tasks.start_soon(put, storage, id)
    assert sorted(str(found["id"]) for found in await storage.newest(100)) == sorted(ids)
