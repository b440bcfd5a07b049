"""Whose pictures are kept where: on a disk, in a bucket, and while they wait, over stdio and over HTTP."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import anyio
import pytest

from atelier.providers.core.errors import ImageError
from atelier.providers.core.tracing import new_id, uuid_of
from atelier.providers.testing.server import Answer
from atelier.providers.transport.network.http_client import httpx
from atelier.server.settings import Settings
from atelier.server.settings.fields import CUSTOMER
from atelier.server.storage import background_upload
from atelier.server.storage.caller_storages import CallerStorages, is_name, name_of
from atelier.server.storage.local import LocalStorage
from tests.conftest import Environ, files_in
from tests.emulators.s3 import Front
from tests.exhaustive import exhaustive
from tests.server.http.test_http_callers import image
from tests.server.http_process import SKETCH, data_of, serving, until
from tests.server.storage.conftest import Place
from tests.server.storage.test_storage import FOX
from tests.server.storage.test_upload_queue import command, in_the_bucket

pytestmark = pytest.mark.anyio

ID = re.compile(r"[a-z]+_[0-9a-z]{26}")
"""An id, whose random letters may spell anything."""


async def waiting(environ: Environ, *folders: str) -> list[str]:
    """A picture that waits in each of these folders of the spool; their ids."""
    ids = [new_id("img") for _ in folders]
    for folder, id in zip(folders, ids, strict=True):
        await LocalStorage(Path(environ["ATELIER_STATE_DIR"]) / "spool" / folder).put(id, FOX, {"id": id})
    return ids


async def test_on_a_disk_the_customer_has_the_folder_and_callers_one_each(environ: Environ, tmp_path: Path) -> None:
    await waiting(environ, "1", "7", "_callers/alice", f"_callers/{name_of('Bob')}")
    assert command(environ).stdout.splitlines()[-1] == "4 uploaded, 0 still queued."
    parts = sorted(path.relative_to(tmp_path / "out").parts[:-3] for path in files_in(tmp_path / "out"))
    assert parts == sorted([(), ("customers", "alice"), (), ("customers", name_of("Bob"))] * 2)
    assert files_in(tmp_path / "state" / "spool") == []


async def test_what_is_no_ones_folder_is_left_alone(environ: Environ, tmp_path: Path) -> None:
    await waiting(environ, "_other", "_callers/Bob", "_callers/a b")
    (tmp_path / "state" / "spool" / "file").write_text("x")
    assert command(environ).stdout == "0 uploaded, 0 still queued.\n"
    assert len(files_in(tmp_path / "state" / "spool")) == 7


def test_a_caller_meets_the_same_spool_again_since_that_remembers_a_silent_store(environ: Environ) -> None:
    spools = CallerStorages(Settings.from_environ(environ))
    assert spools.of_caller("alice") is spools.of_caller("alice")
    assert spools.of_caller("alice") is not spools.of_caller("bob")


def test_a_spool_that_cannot_be_looked_into_is_told(
    environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(ImageError, match="Permission denied"):
        CallerStorages(Settings.from_environ(environ)).all()


async def test_a_running_server_tries_again_and_is_quiet_when_nothing_waits(
    environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background_upload, "UPLOAD_INTERVAL", 0.01)
    caplog.set_level(logging.INFO, "atelier")
    (tmp_path / "out").write_text("in the way")
    await waiting(environ, "1", "_callers/alice")

    def said() -> list[tuple[int, int]]:
        return [(record.facts["uploaded"], record.facts["queued"]) for record in caplog.records]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(background_upload.upload_periodically, CallerStorages(Settings.from_environ(environ)))
            while len(said()) < 3:
                await anyio.sleep(0.01)
            assert set(said()) == {(0, 2)}
            caplog.clear()
            (tmp_path / "out").unlink()
            while files_in(tmp_path / "state" / "spool"):
                await anyio.sleep(0.01)
            while sum(delivered for delivered, _ in said()) < 2:
                await anyio.sleep(0.01)
            caplog.clear()
            await anyio.sleep(0.1)
            assert said() == []
            tasks.cancel_scope.cancel()


@exhaustive
def test_in_a_bucket_each_has_a_prefix_and_answers_have_the_buckets_link(place: Place, environ: Environ) -> None:
    environ |= in_the_bucket(place)
    with serving(environ) as server:
        told = {caller: data_of(server.draw(SKETCH, caller))["images"][0] for caller in ("alice", "auth0|12")}
        assert server.get(f"/image/{told['alice']['id']}", "auth0|12").status_code == 404
    for caller, made in told.items():
        stem = f"customers/{name_of(caller)}/assets/image/{uuid_of(made['id'])}"
        assert {f"{stem}.json", f"{stem}.png"} <= set(place.objects)
        assert made["url"].startswith(f"{place.server.url}/{place.name}/{stem}.png")
        assert httpx.get(made["url"], trust_env=False).status_code == 200


@exhaustive
def test_while_the_bucket_is_away_pictures_wait_apart_and_tell_nothing_of_this_machine(
    place: Place, front: Front, environ: Environ, tmp_path: Path
) -> None:
    environ |= in_the_bucket(place, front.url)
    refusal = Answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"content-type": "application/xml"})
    front.next(*[refusal] * 200)
    with serving(environ) as server:
        drawn = {caller: server.draw(SKETCH, caller) for caller in ("alice", "Bob")}
        for caller, answer in drawn.items():
            told = data_of(answer)
            assert told["images"][0]["url"].startswith(f"{server.url}/i/{told['images'][0]['id']}?e=")
            assert told["warnings"]
            words = ID.sub("", answer.text)
            assert not [word for word in (str(tmp_path), place.name, "spool", "s3") if word in words.lower()]
            assert server.get(told["images"][0]["url"], caller).status_code == 200
            file = f"/image/{told['images'][0]['id']}/file"
            assert server.get(file, caller).status_code == 200
            assert server.get(file, "eve").status_code == 502  # nobody can look for one
        front.script.clear()
        assert command(environ).stdout.splitlines()[-1] == "2 uploaded, 0 still queued."
    assert files_in(tmp_path / "state" / "spool") == []
    for caller, answer in drawn.items():
        stem = f"customers/{name_of(caller)}/assets/image/{uuid_of(image(answer))}"
        assert {f"{stem}.json", f"{stem}.png"} <= set(place.objects)


@exhaustive
async def test_a_server_delivers_for_every_caller_that_has_something_waiting(
    place: Place, environ: Environ, tmp_path: Path
) -> None:
    environ |= in_the_bucket(place)
    _, hers, _ = await waiting(environ, "7", "_callers/alice", f"_callers/{name_of('Bob')}")
    with serving(environ) as server:
        until(lambda: len(place.objects) == 6)
        until(lambda: not files_in(tmp_path / "state" / "spool"))
        assert server.get(f"/image/{hers}").status_code == 200
        until(lambda: [line["uploaded"] for line in server.log if line["event"] == "uploaded queued images"] == [3])


@pytest.mark.parametrize("plain", ["1", "alice", "acme-7", "a.b@example.com", "x" * 100])
def test_a_plain_claim_is_its_own_name(plain: str) -> None:
    assert name_of(plain) == plain


ODD = (
    "Bob", "bob.", "../x", "a/b", "a\\b", ".", "..", "con", "nul.txt", "com1", "auth0|12", "ü", "u\u0308", "x" * 101,
    "x" * 255, f"sha256-{'0' * 64}", "-a", "_callers", "a b", "a:b", "BOB",
)  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_any_other_has_a_name_that_every_disk_takes(odd: str) -> None:
    name = name_of(odd)
    assert name != odd
    assert is_name(name)
    assert CUSTOMER.fullmatch(name)
    assert name == name.lower()


def test_no_two_callers_share_a_name() -> None:
    callers = [*ODD, "bob", "alice", name_of("Bob"), name_of(name_of("Bob"))]
    assert len({name_of(caller).lower() for caller in callers}) == len(callers)
