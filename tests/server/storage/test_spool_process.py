"""Real processes that are killed, and a real server that goes away: nothing is lost and nothing is there twice."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from atelier.providers.core.tracing import new_id, uuid_of
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Fault, Held, Slow
from atelier.providers.testing.waiting import LONG, until
from atelier.server.storage.local import LocalStorage
from tests.conftest import Environ, files_in
from tests.emulators.s3 import Front, Lost, Ministack, ministack
from tests.exhaustive import exhaustive, sample
from tests.server.mcp.test_server import images, text
from tests.server.process import hello, say, started
from tests.server.storage.conftest import Place
from tests.server.storage.test_storage import FOX
from tests.server.storage.test_upload_queue import command, in_the_bucket, many_waiting

DRAW = [sys.executable, "-m", "atelier.server", "generate", "a fox", "--model", "sketch", "--size", "64x64"]

KILLED_AT: dict[str, tuple[list[Fault | None], int]] = {
    "before the picture": ([Slow(60)], 1),
    "after the picture": ([Lost()], 1),
    "before the record": ([None, Slow(60)], 2),
    "after the record": ([None, Lost()], 2),
}
"""What happens to the requests of an upload, and how many the bucket has seen by then."""


@exhaustive
@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such signal")
@pytest.mark.parametrize("when", sample(KILLED_AT, ["before the record"]))
def test_killed_while_it_uploads_a_picture_is_delivered_once_by_the_next_flush(
    place: Place, front: Front, environ: Environ, tmp_path: Path, when: str
) -> None:
    script, seen = KILLED_AT[when]
    environ |= in_the_bucket(place, front.url)
    front.next(*script)
    with subprocess.Popen(DRAW, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until(lambda: len(front.requests) >= seen)
        if isinstance(script[-1], Lost):
            until(lambda: len(place.objects) == seen)
        process.kill()
        assert process.wait(LONG) == -9
    assert [path.suffix for path in files_in(tmp_path / "state")] == [".json", ".png"]
    front.script.clear()
    done = command(environ)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 uploaded, 0 still queued.")
    assert [key.rpartition(".")[2] for key in place.objects] == ["json", "png"]
    assert files_in(tmp_path / "state") == []
    assert command(environ).stdout == "0 uploaded, 0 still queued.\n"
    assert len(place.objects) == 2


@exhaustive
@pytest.mark.anyio
async def test_a_store_that_goes_away_in_the_middle_costs_no_picture(environ: Environ, tmp_path: Path) -> None:
    with ministack() as server:
        environ |= in_the_bucket(arranged(server))
        ask = {"prompt": "a fox", "model": "sketch", "size": "64x64"}
        async with Client(StdioServerParameters(command=DRAW[0], args=DRAW[1:3], env=environ)) as client:
            before = await client.call_tool("generate_image", ask)
            server.stop()
            after = await client.call_tool("generate_image", ask)
            edited = await client.call_tool(
                "edit_image", {"prompt": "an owl", "image": id_of(after), "model": "sketch"}
            )
        assert before.structured_content is not None
        assert after.structured_content is not None
        (first,), (second,) = before.structured_content["images"], after.structured_content["images"]
        assert "path" not in first
        assert first["url"].startswith(server.url)
        assert Path(second["path"]).is_relative_to(tmp_path / "state" / "spool")
        assert Path(second["path"]).is_file()
        assert "url" not in second
        assert "atelier flush" in text(after)
        assert any("cannot be reached" in warning for warning in after.structured_content["warnings"]), (
            after.structured_content["warnings"]
        )
        assert len(images(after)) == 1
        assert not edited.is_error

        assert command(environ).returncode == 1
        server.start()
        place = arranged(server)
        environ |= in_the_bucket(place)
        done = command(environ)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 uploaded, 0 still queued.")
        stems = sorted(str(uuid_of(id)) for id in (id_of(after), id_of(edited)))
        assert [key.rpartition("/")[2] for key in place.objects] == [
            f"{stem}.{ending}" for stem in stems for ending in ("json", "png", "preview.jpg")
        ]
        assert files_in(tmp_path / "state" / "spool") == []
        assert command(environ).stdout == "0 uploaded, 0 still queued.\n"


@pytest.mark.anyio
async def test_a_later_start_delivers_in_the_background(place: Place, environ: Environ, tmp_path: Path) -> None:
    environ |= in_the_bucket(place)
    waiting = LocalStorage(tmp_path / "state" / "spool" / "7")
    ids = await many_waiting(place, waiting, 3)
    async with Client(StdioServerParameters(command=DRAW[0], args=DRAW[1:3], env=environ)) as client:
        assert (await client.list_tools()).tools
        with anyio.fail_after(LONG):
            while files_in(waiting.folder):
                await anyio.sleep(0.05)
    assert [key.rpartition("/")[2] for key in place.objects if key.endswith("png")] == [
        f"{uuid_of(id)}.png" for id in ids
    ]


@exhaustive
@pytest.mark.anyio
async def test_a_store_that_hangs_holds_up_neither_the_start_nor_a_tool_that_does_not_need_it(
    place: Place, front: Front, environ: Environ, tmp_path: Path
) -> None:
    environ |= in_the_bucket(place, front.url)
    id = new_id("img")
    await LocalStorage(tmp_path / "state" / "spool" / "7").put(id, FOX, {"id": id})
    held = Held()
    front.next(*[held] * 9)
    async with Client(StdioServerParameters(command=DRAW[0], args=DRAW[1:3], env=environ)) as client:
        with anyio.fail_after(LONG):
            assert (await client.list_tools()).tools
            assert not (await client.call_tool("list_models", {})).is_error
        await held.arrival()
    held.go.set()


@exhaustive
@pytest.mark.parametrize(
    ("count", "words"), sample([(1, "Storing the image."), (2, "Storing 2 images.")], [(2, "Storing 2 images.")])
)
def test_a_store_that_hangs_is_what_the_caller_is_told_to_wait_for(
    with_openai: Environ, openai: OpenAI, count: int, words: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = {
            "ATELIER_S3_BUCKET": "pictures",
            "ATELIER_S3_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
        }
        keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
        with started({**with_openai, "ATELIER_STORAGE": "s3", **place, **keys}) as process:
            say(process, hello("2025-11-25"))
            say(process, {"method": "notifications/initialized"})
            asked = {
                "name": "generate_image",
                "arguments": {"prompt": "a fox", "n": count},
                "_meta": {"progressToken": 1},
            }
            say(process, {"method": "tools/call", "id": 2, "params": asked})
            told = list[dict[str, Any]]()
            assert process.stdout is not None
            while not told or not told[-1]["message"].startswith(words):
                message = json.loads(process.stdout.readline())
                assert message.get("id") != 2, "the answer came first"
                told += [message["params"]] if message.get("method") == "notifications/progress" else []
            process.kill()
    assert len(openai.requests) == 1
    numbers = [each["progress"] for each in told]
    assert numbers == sorted(set(numbers))


@exhaustive
def test_the_command_line_prints_the_link(place: Place, environ: Environ) -> None:
    environ |= in_the_bucket(place)
    done = subprocess.run(DRAW, env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-2].startswith(f"{place.server.url}/{place.name}/customers/7/assets/image/")


def arranged(server: Ministack) -> Place:
    """A bucket and a user on a server that has just started."""
    server.bucket("pictures")
    return Place(server, "pictures", server.user())


def id_of(answer: object) -> str:
    content = getattr(answer, "structured_content", None)
    assert content is not None
    return str(content["images"][0]["id"])
