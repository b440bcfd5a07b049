"""Callers over HTTP are kept apart: pictures, jobs, tasks, resources, budgets and the places where all that lies."""

from __future__ import annotations

import base64
import io
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import ResourceTemplateReference
from PIL import Image

from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer, Dropped, Held
from atelier.providers.testing.waiting import LONG, until
from atelier.providers.transport.network.http_client import httpx
from atelier.server.storage.caller_storages import name_of
from tests.conftest import Environ, files_in
from tests.exhaustive import exhaustive
from tests.server.http_process import FOX, SKETCH, Server, body_of, data_of, meanwhile, reason, serving
from tests.server.mcp.tasks_client import TasksClient, ask, begun, ended
from tests.server.mcp.test_server import text

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]


def image(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return data_of(answer)["images"][0]["id"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_nobody_sees_anothers_pictures(server: Server, mode: Any) -> None:
    carol, dave = f"carol-{mode}", f"dave-{mode}"
    hers = image(server.draw(SKETCH, carol))
    for path in (f"/image/{hers}", f"/image/{hers}/file", "/image/last"):
        assert server.get(path, dave).status_code == 404
        assert server.get(path, carol).status_code == 200
    with server.web(dave) as web:
        for source in (hers, "last", f"{server.url}/image/{hers}/file"):
            refused = web.post("/image/edit", json=body_of({"image": source, "prompt": "a hat", "model": "sketch"}))
            assert (refused.status_code, reason(refused)) == (404, "not_found")
    async with server.mcp(dave, mode) as his, server.mcp(carol, mode) as client:
        assert (await his.call_tool("get_image", {"id": hers})).is_error
        assert (await his.call_tool("get_image", {})).is_error
        assert "No image" in text(await his.call_tool("get_image", {"list": True}))
        for uri in (f"image://assets/{hers}", f"image://assets/{hers}/preview"):
            with pytest.raises(MCPError):
                await his.read_resource(uri)
            assert (await client.read_resource(uri)).contents
        template = ResourceTemplateReference(uri="image://assets/{id}")
        assert (await his.complete(template, {"name": "id", "value": "img_"})).completion.values == []
        assert (await client.complete(template, {"name": "id", "value": "img_"})).completion.values == [hers]
        assert not (await client.call_tool("get_image", {"id": hers})).is_error


async def test_nobody_sees_collects_or_cancels_anothers_job_or_task(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    held = Held()
    openai.next(held)
    with serving(with_openai) as server:
        async with (
            server.mcp("alice", extensions=[TasksClient()]) as hers,
            server.mcp("bob", extensions=[TasksClient()]) as his,
        ):
            handle = await begun(hers, "generate_image", FOX)
            for method in ("tasks/get", "tasks/update", "tasks/cancel"):
                with pytest.raises(MCPError, match="Unknown task"):
                    await ask(his.session, method, handle.task_id)
            assert server.get(f"/image/{handle.task_id}", "bob").status_code == 404
            assert server.get(f"/image/{handle.task_id}").status_code == 202
            held.go.set()
            await ended(hers.session, handle.task_id)
            assert server.get(f"/image/{handle.task_id}", "bob").status_code == 404
            done = data_of(server.get(f"/image/{handle.task_id}"))["images"][0]["id"]
        bobs = image(server.draw(FOX, "bob"))  # his own, and not what alice has
    assert {path.stem for path in files_in(tmp_path / "out" / "customers" / "alice")} >= {done}
    assert {path.stem for path in files_in(tmp_path / "out" / "customers" / "bob")} == {bobs}
    assert len(openai.requests) == 2


@exhaustive
def test_every_caller_has_a_budget_of_their_own(with_openai: Environ, openai: OpenAI) -> None:
    with serving({**with_openai, "ATELIER_BUDGET_PER_DAY": "0.01"}) as server:
        statuses = [server.draw({**FOX, "prompt": p}, caller).status_code for caller in ("alice", "bob") for p in "abc"]
    assert statuses == [200, 402, 402] * 2
    assert len(openai.requests) == 2
    with sqlite3.connect(Path(with_openai["ATELIER_STATE_DIR"]) / "journal.db") as connection:
        spent = dict(connection.execute("SELECT caller, sum(spent_usd) FROM vendor_calls GROUP BY caller"))
    assert set(spent) == {"alice", "bob"}
    assert len(set(spent.values())) == 1


@exhaustive
def test_every_claim_has_a_folder_of_its_own_and_none_leads_out_of_it(server: Server) -> None:
    claims = ["auth0|12", "../../../evil", "Bob", "bob", "con", "ünï", "x" * 255]
    made = {claim: image(server.draw(SKETCH, claim)) for claim in claims}
    root = Path(server.environ["ATELIER_OUTPUT_DIR"])
    for claim, id in made.items():
        (found,) = root.rglob(f"{id}.png")
        assert found.relative_to(root).parts[:2] == ("customers", name_of(claim))
        assert data_of(server.get("/image/last", claim))["images"][0]["id"] == id
    for absurd in ("", "a\nb", "x" * 256):
        assert server.get("/image/last", absurd).status_code == 401


@exhaustive
def test_the_customer_of_the_settings_is_somebody_else(environ: Environ, tmp_path: Path) -> None:
    with serving(environ) as server:
        image(server.draw(SKETCH, "1"))
    assert [path.relative_to(tmp_path / "out").parts[:2] for path in files_in(tmp_path / "out")] == [
        ("customers", "1")
    ] * 2


@exhaustive
def test_what_a_crash_left_is_found_with_its_own_caller(with_flux: Environ, flux: Flux, tmp_path: Path) -> None:
    """The vendor works by tasks: what the first process asked for, the second one collects."""
    waiting = Answer(200, {"status": "Pending"})
    asked = {"prompt": "a fox", "model": "flux-2-pro", "size": "64x64"}
    flux.next(None, *[waiting] * 100)
    with serving({**with_flux, "ATELIER_WAIT_SECONDS": "0"}) as server:
        job = data_of(server.draw(asked, "auth0|12"))["job"]
        until(lambda: len(flux.requests) > 1)
        server.process.kill()
        server.process.wait(LONG)
    flux.script.clear()
    with serving(with_flux) as server:
        until(lambda: server.get(f"/image/{job}", "auth0|12").status_code != 202)
        found = server.get(f"/image/{job}", "auth0|12")
        assert server.get(f"/image/{job}", "bob").status_code == 404
        assert server.get(f"/image/{image(found)}/file", "auth0|12").status_code == 200
    (picture,) = [path for path in files_in(tmp_path / "out") if path.suffix != ".json"]
    assert picture.relative_to(tmp_path / "out").parts[:2] == ("customers", name_of("auth0|12"))
    assert len([request for request in flux.requests if request.method == "POST"]) == 1


@exhaustive
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_picture_that_reached_the_disk_before_the_crash_is_its_callers(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    faulty = {**with_openai, "FAULT_KILL": "add_asset:before", "PYTHONPATH": str(ROOT)}
    with serving(faulty, program=[str(ROOT / "tests" / "faults" / "launcher.py")]) as server:
        with pytest.raises(httpx.HTTPError):
            server.draw(FOX, "Bob")
        assert server.process.wait(LONG) == -signal.SIGKILL
    with serving(with_openai) as server:
        found = image(server.draw(FOX, "Bob"))
    (picture,) = [path for path in files_in(tmp_path / "out") if path.suffix == ".png"]
    assert picture.stem == found
    assert len(openai.requests) == 1


@exhaustive
async def test_a_picture_that_is_told_to_somebody_who_has_gone_is_collected_by_the_same_call(
    with_openai: Environ, openai: OpenAI
) -> None:
    """In the older era a client that closes the connection does not cancel its call."""
    held = Held()
    openai.next(held)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "generate_image", "arguments": FOX}}
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    with serving(with_openai) as server:
        with server.web() as web, web.stream("POST", "/mcp", json=call, headers=headers):
            held.wait()
        with meanwhile(lambda: server.draw(FOX)) as answers:
            held.go.set()
        assert answers[0].status_code == 200
        assert len(openai.requests) == 1


@exhaustive
async def test_a_journal_that_cannot_be_used_is_told_without_its_place(with_openai: Environ, tmp_path: Path) -> None:
    (tmp_path / "state" / "journal.db").mkdir(parents=True)
    with serving({**with_openai, "ATELIER_BUDGET_PER_DAY": "5"}) as server:
        refused = server.draw(FOX)
        async with server.mcp() as client:
            called = await client.call_tool("generate_image", FOX)
            priced = await client.call_tool("estimate_cost", FOX)
    assert (refused.status_code, reason(refused)) == (502, "storage_failed")
    assert called.is_error
    assert "is not known" in text(priced)
    assert str(tmp_path) not in f"{refused.text} {called} {priced}"


@exhaustive
def test_a_paid_image_that_no_disk_takes_is_in_the_refusal_itself(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    faulty = {**with_openai, "FAULT_DISK": "pictures", "PYTHONPATH": str(ROOT)}
    with serving(faulty, program=[str(ROOT / "tests" / "faults" / "launcher.py")]) as server:
        answer = server.draw(FOX, key="k")
        again = server.draw(FOX, key="k")
    assert (answer.status_code, reason(answer)) == (502, "storage_failed")
    facts = answer.json()["error"]["facts"]
    (image,) = facts["images"]
    head, _, whole = image.partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(whole))).size == (1024, 1024)
    assert facts["billed_usd"] > 0
    assert facts.keys() == {"job", "billed_usd", "images"}
    assert str(tmp_path) not in answer.text + again.text
    assert (again.status_code, reason(again)) == (409, "not_found")
    assert len(openai.requests) == 1


@exhaustive
async def test_no_caller_reads_where_the_vendor_is_called(with_openai: Environ, openai: OpenAI) -> None:
    page = Answer(200, b"<html>Sign in</html>", {"content-type": "text/html"})
    openai.next(page, page, Dropped(), Answer(404, b"{}"))
    with serving(with_openai) as server:
        async with server.mcp() as client:
            called = (await client.call_tool("generate_image", FOX)).model_dump_json()
        refused = [server.draw({**FOX, "prompt": word}).text for word in ("an owl", "a wolf", "a bear")]
    words = ("The request went to the vendor", "The vendor's address", "The connection to the vendor", "404")
    for told, said in zip((called, *refused), words, strict=True):
        assert said in told
        assert openai.url.removesuffix("/v1") not in told
