"""The S3 server fails, hangs, vanishes: a paid picture is on this disk until the bucket has it, and is there once."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.types import CallToolResult

from atelier.providers.core.results import ImageResult
from atelier.providers.testing.waiting import LONG
from tests.conftest import Environ, files_in
from tests.emulators.s3 import Keys, Ministack
from tests.exhaustive import exhaustive, sample
from tests.faults import proxy as faulty
from tests.faults.books import Books
from tests.faults.proxy import Exchange, Fault, Proxy, Says
from tests.faults.servers import answered, at_rest, killed_at, served
from tests.faults.world import World, arguments_for, desk_over, request_for

NUMBERS = count(1)
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
NO_BUCKET = b"<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>"

FAULTS: dict[str, tuple[Fault | None, ...]] = {
    "bucket: reset before the body": (faulty.reset_early,),
    "bucket: reset, never heard": (faulty.reset_unheard,),
    "bucket: reset after the body": (faulty.reset_late,),
    "bucket: reset at the record": (None, faulty.reset_late),
    "bucket: 503 storm": (Says(503, SLOW_DOWN),) * 12,
    "bucket: 5xx once": (Says(500, b""),),
    "bucket: silence": (faulty.silent,),
    "bucket: gone for a while": (Says(404, NO_BUCKET),) * 12,
}


class Bucket:
    """One of a test's own, looked into past the product."""

    def __init__(self, store: Ministack, name: str) -> None:
        self._client: Any = store.client("s3")
        self.name = name
        store.bucket(name)

    @property
    def keys(self) -> list[str]:
        found: Any = self._client.list_objects_v2(Bucket=self.name)
        return [str(item["Key"]) for item in found.get("Contents", [])]

    @property
    def records(self) -> list[Mapping[str, Any]]:
        """Those whose picture is there as well."""
        keys = self.keys
        told = [json.loads(self._client.get_object(Bucket=self.name, Key=key)["Body"].read())
                for key in keys if key.endswith(".json")]  # fmt: skip
        return [record for record in told if any(key.endswith(f"/{record['file']}") for key in keys)]


@pytest.fixture
def bucket(store: Ministack) -> Bucket:
    return Bucket(store, f"faults-{next(NUMBERS)}")


@pytest.fixture
def environ(
    around: World, bucket: Bucket, owner: Keys, before_store: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Environ:
    monkeypatch.setattr("atelier.server.storage.upload_queue.STORE_TIMEOUT", 1.0)
    more = {"STORAGE": "s3", "S3_BUCKET": bucket.name, "S3_ENDPOINT_URL": before_store.url}
    return around.environ(tmp_path, **{f"ATELIER_{name}": value for name, value in more.items()}, **owner.environ)


async def drawn(environ: Environ, vendor: str = "flux") -> ImageResult:
    async with desk_over(environ) as service:
        result = await service.submit(request_for(vendor))
        assert isinstance(result, ImageResult)
        service.mark_delivered(result.id)
        return result


@pytest.mark.anyio
@pytest.mark.parametrize("label", sample(FAULTS, ["bucket: reset after the body", "bucket: 503 storm"]))
async def test_a_fault_on_the_way_to_the_bucket(
    around: World, environ: Environ, bucket: Bucket, before_store: Proxy, tmp_path: Path, label: str
) -> None:
    before_store.next("put", *FAULTS[label])
    result = await drawn(environ)
    stored = result.images[0].stored
    assert stored is not None
    Books.read(tmp_path, [each for each in bucket.records if stored.url]).checked(label, around.billed)
    before_store.reset()
    async with desk_over(environ):  # its start delivers what waits
        pass
    assert files_in(tmp_path / "state" / "spool") == []
    assert len(bucket.keys) == 2
    Books.read(tmp_path, bucket.records).checked(f"{label}, then a start", around.billed)


@pytest.mark.anyio
async def test_a_store_that_is_down(
    around: World, environ: Environ, bucket: Bucket, before_store: Proxy, tmp_path: Path
) -> None:
    with before_store.down():
        first = await drawn(environ)
        assert first.images[0].stored is not None
        assert first.images[0].stored.path is not None
    async with desk_over(environ):
        pass
    assert files_in(tmp_path / "state" / "spool") == []
    Books.read(tmp_path, bucket.records).checked("bucket: down, then a start", around.billed)


@exhaustive
@pytest.mark.anyio
async def test_killed_with_a_picture_on_its_way_while_the_bucket_is_away(
    around: World, environ: Environ, bucket: Bucket, before_store: Proxy, tmp_path: Path
) -> None:
    tool, asked = arguments_for("openai", tmp_path)
    with before_store.down():
        await killed_at(environ, "add_asset", "before", tool, asked)
        async with desk_over(environ) as service:  # nobody can say now whether it is in the bucket
            assert not service.active_jobs
        books = Books.read(tmp_path)
        assert (books.job.state, [charge.state for charge in books.charges]) == ("running", ["sent"])
    async with served(environ) as client:
        await client.list_tools()
        await at_rest(tmp_path)
        again = await client.call_tool(tool, asked)
    assert not again.is_error
    books = Books.read(tmp_path, bucket.records).checked("bucket: away, kill -9, a start, back", around.billed)
    assert (books.job.state, len(around.billed)) == ("done", 1)


@exhaustive
@pytest.mark.anyio
@pytest.mark.parametrize("when", sample(["before", "after"], ["before"]))
async def test_killed_with_a_picture_in_the_bucket(
    around: World, environ: Environ, bucket: Bucket, tmp_path: Path, when: str
) -> None:
    tool, asked = arguments_for("openai", tmp_path)
    await killed_at(environ, "add_asset", when, tool, asked)
    assert len(bucket.keys) == 2
    again = await drawn(environ, "openai")
    books = Books.read(tmp_path, bucket.records).checked(f"bucket: kill -9 {when} landed", around.billed)
    assert (again.id, len(around.billed)) == (books.job.id, 1)
    assert again.images[0].stored is not None
    assert again.images[0].stored.url


WAIT = 2.0  # seconds that a caller waits, whatever the bucket does


class Mute:
    """Nothing is ever said to a request, until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    async def __call__(self, exchange: Exchange) -> None:
        while not self.go.is_set():
            await asyncio.sleep(0.01)
        exchange.reset()


@pytest.fixture
def mute(before_store: Proxy) -> Iterator[Mute]:
    """A bucket that takes pictures and hands none out, once `before_store` is told so."""
    made = Mute()
    yield made
    made.go.set()


Asked = tuple[str, dict[str, Any]]


@pytest.fixture
def asked(environ: Environ, tmp_path: Path) -> Asked:
    """A tool and its arguments, for a caller who does not wait long."""
    environ["ATELIER_WAIT_SECONDS"] = str(WAIT)
    return arguments_for("openai", tmp_path)


async def soon(client: Client, tool: str, arguments: Mapping[str, Any]) -> CallToolResult:
    """The answer, which is not held up."""
    with anyio.fail_after(LONG):
        return await client.call_tool(tool, dict(arguments))


@exhaustive
@pytest.mark.anyio
async def test_a_bucket_that_falls_silent_holds_up_no_answer(
    around: World, environ: Environ, asked: Asked, before_store: Proxy, mute: Mute
) -> None:
    async with served(environ) as client:
        answered(await soon(client, *asked))
        before_store.always["get"] = mute
        drawn = answered(await soon(client, *asked))
        shown = await soon(client, "get_image", {"id": drawn["images"][0]["id"]})
    assert drawn["images"][0]["url"]
    assert shown.is_error
    assert "did not answer in time" in str(shown.content[0])


@exhaustive
@pytest.mark.anyio
async def test_what_lies_in_a_silent_bucket_is_collected_once_it_speaks_again(
    around: World, environ: Environ, asked: Asked, before_store: Proxy, mute: Mute
) -> None:
    await killed_at(environ, "mark_delivered", "before", *asked)
    before_store.always["get"] = mute
    async with served(environ) as client:
        refused = await soon(client, *asked)
        assert refused.is_error
        assert "did not answer in time" in str(refused.content[0])
        before_store.reset()
        mute.go.set()
        again = answered(await soon(client, *asked))
    assert again["images"]
    assert len(around.billed) == 1


@exhaustive
@pytest.mark.anyio
async def test_a_job_whose_pictures_cannot_be_looked_for_still_runs_and_others_are_answered(
    around: World, environ: Environ, asked: Asked, before_store: Proxy, mute: Mute, tmp_path: Path
) -> None:
    tool, arguments = asked
    await killed_at(environ, "add_asset", "before", *asked)
    before_store.always["get"] = mute
    async with served(environ) as client:
        ticket = answered(await soon(client, *asked))
        assert ticket["status"] == "running"
        other = answered(await soon(client, tool, {**arguments, "prompt": "an owl"}))
        assert other["status"] == "done"
        before_store.reset()
        mute.go.set()
        await at_rest(tmp_path)
        again = answered(await soon(client, "get_image", {"id": ticket["job"]}))
    assert again["images"]
    assert len(around.billed) == 2
