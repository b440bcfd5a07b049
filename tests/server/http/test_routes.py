"""Pictures over plain HTTP: what may be asked, what is answered, and that nothing is bought twice."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.openai_rules import MODERATED, NO_QUOTA, trouble
from atelier.providers.testing.server import Held
from atelier.providers.testing.waiting import LONG, until
from atelier.providers.transport.network.http_client import httpx
from atelier.server.http.rest.contract import ImageData
from tests.conftest import Environ, files_in
from tests.exhaustive import exhaustive, sample
from tests.server.http_process import FOX, SKETCH, Server, body_of, data_of, meanwhile, reason, serving, token

MB = 2**20
LIMIT = 68 * MB  # a source and a mask of 25 MB each in base64, and a MB for the rest


def pngs(folder: Path) -> list[Path]:
    return [path for path in files_in(folder / "out") if path.suffix == ".png"]


def counted(environ: Environ) -> list[tuple[str, str, int | None, int | None]]:
    """Caller, state, and micro-USD reserved and spent, of every vendor call."""
    with sqlite3.connect(Path(environ["ATELIER_STATE_DIR"]) / "journal.db") as connection:
        return connection.execute(
            "SELECT caller, state, reserved_usd, spent_usd FROM vendor_calls ORDER BY id"
        ).fetchall()


def test_a_picture_is_made_shown_fetched_and_changed(server: Server) -> None:
    drawn = server.draw({**SKETCH, "n": 10, "deliver_size": "32x32"})
    told = data_of(drawn)
    assert drawn.status_code == 200
    assert len(told["images"]) == 10
    assert len(drawn.content) > 2000  # in full, where MCP cuts it down
    ImageData.model_validate(told)
    assert told["image_url"] == told["images"][0]["url"]
    image = told["images"][3]
    assert image["url"].startswith(f"{server.url}/i/{image['id']}?e=")
    assert image["delivered"]["url"].startswith(f"{server.url}/i/{image['delivered']['id']}?e=")
    assert '"path"' not in drawn.text
    assert server.environ["ATELIER_OUTPUT_DIR"] not in drawn.text
    shown = data_of(server.get(f"/image/{image['id']}"))
    assert shown["prompt"] == "a fox"
    assert shown["images"][0]["url"].startswith(f"{server.url}/i/{image['id']}?e=")
    file = server.get(f"/image/{image['id']}/file")
    assert (file.status_code, file.headers["content-type"], len(file.content)) == (200, "image/png", image["bytes"])
    assert (file.headers["cache-control"], file.headers["x-content-type-options"]) == ("private", "nosniff")
    newest = ""
    with server.web() as web:
        for source in (image["id"], image["url"], "last"):
            edited = data_of(
                web.post("/image/edit", json=body_of({"image": source, "prompt": "a hat", "model": "sketch"}))
            )
            parent = data_of(web.get(f"/image/{edited['images'][0]['id']}"))["parent"]
            assert parent == (newest if source == "last" else image["id"])
            newest = edited["images"][0]["id"]
    kept = list(Path(server.environ["ATELIER_OUTPUT_DIR"]).glob(f"customers/alice/*/*/{image['id']}.*"))
    assert {path.suffix for path in kept} == {".png", ".json"}  # no preview is rendered for programs


@pytest.mark.parametrize(
    "id", ["img_0", "img_01m89esccjeaqaj6k91aarb667", "job_01m89esccjeaqaj6k91aarb667", "..%2f..%2fx", "%00"]
)
def test_what_is_not_there_is_not_found(server: Server, id: str) -> None:
    for path in (f"/image/{id}", f"/image/{id}/file"):
        answer = server.get(path)
        assert (answer.status_code, reason(answer)) == (404, "not_found")


JSON = {"content-type": "application/json"}
DEEP = b'{"prompt":' + b"[" * 100_000
BODIES: dict[str, tuple[bytes, dict[str, str], int]] = {
    "nothing": (b"", JSON, 400),
    "garbage": (b"{nope", JSON, 400),
    "half": (b'{"prompt": "a f', JSON, 400),
    "a list": (b'[{"prompt": "a fox"}]', JSON, 400),
    "a word": (b'"a fox"', JSON, 400),
    "NaN": (b'{"prompt": "a fox", "settings": {"image": {"seed": NaN}}}', JSON, 400),
    "too deep": (DEEP, JSON, 400),
    "deep and closed": (DEEP + b"]" * 100_000 + b"}", JSON, 400),
    "unknown": (b'{"prompt": "a fox", "settings": {"image": {"colour": "red"}}}', JSON, 400),
    "unknown above": (b'{"prompt": "a fox", "colour": "red"}', JSON, 400),
    "a tool's": (b'{"prompt": "a fox", "model": "sketch"}', JSON, 400),
    "blank": (b'{"prompt": " "}', JSON, 400),
    "half a size": (b'{"prompt": "a fox", "settings": {"image": {"width": 64}}}', JSON, 400),
    "two sizes": (b'{"prompt": "a", "settings": {"image": {"width": 64, "height": 64, "size": "64x64"}}}', JSON, 400),
    "customer 0": (b'{"prompt": "a fox", "customer_id": 0}', JSON, 400),
    "customer -1": (b'{"prompt": "a fox", "customer_id": "-1"}', JSON, 400),
    "another customer": (b'{"prompt": "a fox", "customer_id": 7}', JSON, 400),
    "wrong type": (b'{"prompt": {"text": "a fox"}}', JSON, 400),
    "too many": (b'{"prompt": "a fox", "settings": {"image": {"n": 11}}}', JSON, 400),
    "missing": (b"{}", JSON, 400),
    "no model": (b'{"prompt": "a fox", "settings": {"image": {"model": "nope"}}}', JSON, 400),
    "no type": (b'{"prompt": "a fox"}', {}, 415),
    "a form": (b"prompt=a+fox", {"content-type": "application/x-www-form-urlencoded"}, 415),
    "text": (b'{"prompt": "a fox"}', {"content-type": "text/plain"}, 415),
    "too large": (b" " * (LIMIT + 1), JSON, 413),
}


@pytest.mark.parametrize(("body", "headers", "status"), BODIES.values(), ids=BODIES.keys())
def test_a_body_that_cannot_be_meant_is_refused_in_one_sentence(
    server: Server, body: bytes, headers: dict[str, str], status: int
) -> None:
    with server.web() as web:
        answer = web.post("/image/generate", content=body, headers=headers)
        assert (answer.status_code, reason(answer)) in [
            (status, said) for said in ("invalid_request", "unknown_model", "unsupported_option")
        ]


def test_a_large_body_without_a_length_is_refused_as_well_and_one_at_the_limit_is_read(server: Server) -> None:
    with server.web() as web:
        answer = web.post("/image/generate", content=(b" " * MB for _ in range(LIMIT // MB + 1)), headers=JSON)
        assert answer.status_code == 413
        body = json.dumps(body_of(SKETCH)).encode()
        assert web.post("/image/generate", content=body.ljust(LIMIT), headers=JSON).status_code == 200
        mcp = web.post("/mcp", content=b" " * (LIMIT + 1), headers=JSON)
        assert mcp.status_code == 413


@pytest.mark.parametrize(
    "source", ["/etc/passwd", "file:///etc/passwd", "~/x.png", "C:\\x.png", "http://127.0.0.1/x.png"]
)
def test_nothing_of_the_servers_own_can_be_named(server: Server, source: str) -> None:
    with server.web() as web:
        answer = web.post("/image/edit", json=body_of({"image": source, "prompt": "x", "model": "sketch"}))
        assert (answer.status_code, reason(answer)) == (400, "invalid_request")


@exhaustive
def test_errors_have_the_status_that_says_whose_they_are(with_openai: Environ, openai: OpenAI) -> None:
    found = list[tuple[int, str]]()
    openai.next(MODERATED, NO_QUOTA, trouble(401, "invalid_api_key", "Incorrect API key provided."))
    with serving({**with_openai, "ATELIER_BUDGET_PER_CALL": "0.5"}) as server:
        for more in ({}, {}, {}, {"n": 10, "quality": "max", "size": "2048x2048"}, {"style": "anime"}, {"model": "x"}):
            answer = server.draw({**FOX, **more})
            found.append((answer.status_code, reason(answer)))
            assert openai.key not in answer.text
    assert found == [
        (400, "content_policy"),
        (502, "quota_exceeded"),
        (502, "authentication"),
        (402, "budget_exceeded"),
        (400, "unsupported_option"),
        (400, "unknown_model"),
    ]


@exhaustive
def test_what_outlasts_the_wait_is_collected_by_its_address(with_openai: Environ, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    with serving({**with_openai, "ATELIER_WAIT_SECONDS": "0"}) as server:
        first = server.draw(FOX)
        place = first.headers["location"]
        assert (first.status_code, data_of(first)["status"], place) == (
            202,
            "running",
            f"/image/{data_of(first)['job']}",
        )
        still = server.get(place)
        assert (still.status_code, still.headers["location"], "retry-after" in still.headers) == (202, place, True)
        held.go.set()
        until(lambda: server.get(place).status_code == 200)
        told = data_of(server.get(place))
        assert told["images"][0]["url"].startswith(f"{server.url}/i/img_")
        assert server.get(told["images"][0]["url"]).status_code == 200
    assert len(openai.requests) == 1


KEYS = ["", "a b", "ü", "x" * 256, "a\tb"]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_none_is_refused(server: Server, key: str) -> None:
    with server.web() as web:
        answer = web.post(
            "/image/generate", json=body_of(SKETCH), headers=httpx.Headers({"Idempotency-Key": key}, "utf-8")
        )
        assert (answer.status_code, reason(answer)) == (400, "invalid_request")
        twice = web.post(
            "/image/generate", json=body_of(SKETCH), headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        )
        assert twice.status_code == 400


@exhaustive
@pytest.mark.parametrize("asked", sample([FOX, SKETCH], [FOX], id=lambda asked: "paid" if asked is FOX else "free"))
def test_a_key_is_one_call_for_one_caller_also_after_a_restart(
    with_openai: Environ, openai: OpenAI, tmp_path: Path, asked: dict[str, Any]
) -> None:
    key = "order-7!" + "x" * 200
    with serving(with_openai) as server:
        first = data_of(server.draw(asked, key=key))
        again = data_of(server.draw(asked, key=key))
        other = server.draw({**asked, "prompt": "an owl"}, key=key)
        bob = data_of(server.draw(asked, "bob", key=key))
        new = data_of(server.draw(asked, key="order-8"))
    with serving(with_openai) as server:
        later = server.draw(asked, key=key)
        assert server.get(f"/image/{first['images'][0]['id']}/file").status_code == 200
    assert first["images"][0]["id"] == again["images"][0]["id"] == data_of(later)["images"][0]["id"]
    assert (other.status_code, reason(other)) == (422, "invalid_request")
    assert len({told["images"][0]["id"] for told in (first, bob, new)}) == 3
    assert len(pngs(tmp_path)) == 3
    assert len(openai.requests) == (3 if asked is FOX else 0)


def test_a_key_stands_for_what_was_said_even_when_that_means_another_picture_by_now(server: Server) -> None:
    first = data_of(server.draw(SKETCH))["images"][0]["id"]
    asked = {"image": "last", "prompt": "a hat", "model": "sketch"}
    with server.web() as web:
        edited = [
            data_of(web.post("/image/edit", json=body_of(asked), headers={"Idempotency-Key": "hat"})) for _ in range(2)
        ]
        assert edited[0]["images"][0]["id"] == edited[1]["images"][0]["id"]
        assert data_of(web.get(f"/image/{edited[1]['images'][0]['id']}"))["parent"] == first
        as_new = web.post("/image/generate", json=body_of(SKETCH), headers={"Idempotency-Key": "hat"})
        assert as_new.status_code == 422


@exhaustive
def test_many_at_once_with_one_key_are_one_call(with_openai: Environ, openai: OpenAI, tmp_path: Path) -> None:
    held = Held()
    openai.next(held)
    with serving(with_openai) as server, ThreadPoolExecutor(12) as pool:
        same = [pool.submit(server.draw, FOX, "alice", "k") for _ in range(6)]
        held.wait()
        other = [pool.submit(server.draw, {**FOX, "prompt": "an owl"}, "alice", "k") for _ in range(6)]
        assert {future.result().status_code for future in other} == {422}
        held.go.set()
        answers = [future.result() for future in same]
    assert {answer.status_code for answer in answers} == {200}
    assert len({data_of(answer)["images"][0]["id"] for answer in answers}) == 1
    assert len(openai.requests) == len(pngs(tmp_path)) == 1


@exhaustive
def test_two_requests_that_meet_at_one_key_are_not_taken_for_each_other(with_openai: Environ, openai: OpenAI) -> None:
    with serving(with_openai) as server, ThreadPoolExecutor(12) as pool:
        for turn in range(5):
            prompts = [f"{turn} {name}" for name in "abcdef"]
            asked = [pool.submit(server.draw, {**FOX, "prompt": prompt}, "alice", f"k{turn}") for prompt in prompts]
            assert sorted(future.result().status_code for future in asked) == [200, *[422] * 5]
    assert len(openai.requests) == 5


@exhaustive
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_while_the_vendor_works_a_key_is_told_so_and_not_bought_again(
    with_openai: Environ, openai: OpenAI
) -> None:
    held = Held()
    openai.next(held)
    with serving(with_openai) as server, ThreadPoolExecutor() as pool:
        lost = pool.submit(server.draw, FOX, "alice", "k")
        held.wait()
        server.process.kill()
        assert isinstance(lost.exception(), httpx.HTTPError)
        held.go.set()
    with serving(with_openai) as server:
        for _ in range(2):
            told = server.draw(FOX, key="k")
            assert (told.status_code, told.json()["error"]["facts"]["outcome"], reason(told)) == (
                500,
                "unknown",
                "internal",
            )
        assert len(openai.requests) == 1
        assert server.draw(FOX, "bob", key="k").status_code == 200
        assert server.draw(FOX, key="k2").status_code == 200
    assert [(caller, state) for caller, state, *_ in counted(with_openai)] == [
        ("alice", "unknown"),
        ("bob", "settled"),
        ("alice", "settled"),
    ]


def left(server: Server, asked: dict[str, Any], until_then: Callable[[], object], caller: str = "alice") -> None:
    """Ask, and close the connection without waiting for an answer, once something is true."""
    body = json.dumps(body_of(asked)).encode()
    host, _, port = server.url.removeprefix("http://").partition(":")
    head = f"POST /image/generate HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token(caller)}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port)), LONG) as connection:
        connection.sendall(head.encode() + body)
        until_then()


def ended(server: Server, outcome: str) -> bool:
    return any(line.get("outcome") == outcome for line in server.log)


@exhaustive
def test_whoever_goes_before_the_vendor_has_it_spends_nothing(with_openai: Environ, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    with serving({**with_openai, "ATELIER_CONCURRENCY": "1"}) as server, meanwhile(lambda: server.draw(FOX)):
        held.wait()
        left(server, {**FOX, "prompt": "an owl"}, lambda: until(lambda: len(counted(with_openai)) == 2))
        until(lambda: ended(server, "cancelled"))
        until(lambda: "reserved" not in {state for _, state, *_ in counted(with_openai)})
        held.go.set()
    assert len(openai.requests) == 1
    assert [state for _, state, *_ in counted(with_openai)] == ["settled", "released"]


@exhaustive
def test_what_the_vendor_has_goes_on_without_its_caller_and_the_same_call_collects_it(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    held = Held()
    openai.next(held)
    with serving(with_openai) as server:
        left(server, FOX, held.wait)
        until(lambda: ended(server, "cancelled"))
        held.go.set()
        until(lambda: pngs(tmp_path))
        collected = server.draw(FOX)
        assert collected.status_code == 200
        assert [path.stem for path in pngs(tmp_path)] == [data_of(collected)["images"][0]["id"]]
        assert len(openai.requests) == 1
        server.draw(FOX)  # it was delivered, so this is another
    assert len(openai.requests) == len(pngs(tmp_path)) == 2
    bill = sum(spent or 0 for *_, spent in counted(with_openai))
    assert [state for _, state, *_ in counted(with_openai)] == ["settled"] * 2
    assert bill == 2 * (counted(with_openai)[0][3] or 0) > 0


def test_a_client_that_leaves_in_the_midst_of_its_own_body_is_no_crash(server: Server) -> None:
    before = len(server.lines)
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), LONG) as connection:
        head = f"POST /image/generate HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token()}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
    until(lambda: len(server.lines) > before)
    assert [(line["level"], line["event"]) for line in server.log[before:]] == [("info", "client disconnected")]


@exhaustive
def test_one_slow_caller_holds_up_no_other(with_openai: Environ, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    with serving(with_openai) as server, meanwhile(lambda: server.draw(FOX)) as slow:
        held.wait()
        assert server.draw(SKETCH, "bob").status_code == 200
        assert not slow
        held.go.set()
    assert slow[0].status_code == 200


@exhaustive
def test_a_look_without_a_body_delivers_nothing(with_openai: Environ, openai: OpenAI) -> None:
    with serving({**with_openai, "ATELIER_WAIT_SECONDS": "0"}) as server:
        job = data_of(server.draw(FOX))["job"]
        until(lambda: server.get(f"/image/{job}").status_code == 200)
        with server.web() as web:
            assert web.head(f"/image/{job}").status_code == 200
    journal = Path(with_openai["ATELIER_STATE_DIR"]) / "journal.db"
    with sqlite3.connect(journal) as connection:
        connection.execute("UPDATE jobs SET delivered_at = NULL")
    with serving(with_openai) as server:
        with server.web() as web:
            assert web.head(f"/image/{job}").content == b""
        assert server.draw(FOX).status_code == 200
    assert len(openai.requests) == 1


@exhaustive
def test_a_body_that_does_not_come_holds_up_no_end(environ: Environ) -> None:
    with serving(environ) as ending, socket.create_connection(place_of(ending)) as line:
        head = f"POST /image/generate HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token()}\r\n"
        line.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert ending.get("/healthz").status_code == 200
        ending.process.terminate()
        ending.process.wait(LONG)


def place_of(server: Server) -> tuple[str, int]:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return host, int(port)


def test_a_body_that_is_packed_is_refused(server: Server) -> None:
    with server.web() as web:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        answer = web.post("/image/generate", content=b"{}", headers=headers)
    assert (answer.status_code, reason(answer)) == (415, "invalid_request")


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(server: Server) -> None:
    with socket.create_connection(place_of(server)) as line:
        head = f"POST /image/generate HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token()}\r\n"
        line.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")


def test_thousands_of_arguments_are_refused_in_a_sentence(server: Server) -> None:
    answer = server.draw({f"k{n}": n for n in range(100_000)})
    assert answer.status_code == 400
    assert len(answer.content) < 2000


def test_an_address_with_a_slash_too_many_is_none(server: Server) -> None:
    assert server.get("/image/last/").status_code == 404


@exhaustive
def test_a_key_tells_what_came_of_a_call_whose_source_has_gone_and_whose_model_is_no_default_any_more(
    with_openai: Environ, openai: OpenAI
) -> None:
    plain = {"prompt": "a fox", "size": "1024x1024", "quality": "low"}
    with serving({**with_openai, "ATELIER_DEFAULT_MODEL": "openai"}) as server:
        drawn = data_of(server.draw(plain, key="one"))
        change = {"image": drawn["images"][0]["id"], "prompt": "a hat", "model": "openai"}
        with server.web() as web:
            edited = data_of(web.post("/image/edit", json=body_of(change), headers={"Idempotency-Key": "two"}))
    for path in files_in(Path(with_openai["ATELIER_OUTPUT_DIR"])):
        if path.name.startswith(drawn["images"][0]["id"]):
            path.unlink()
    with serving({**with_openai, "ATELIER_DEFAULT_MODEL": "sketch"}) as server, server.web() as web:
        again = web.post("/image/edit", json=body_of(change), headers={"Idempotency-Key": "two"})
        assert data_of(again)["images"][0]["id"] == edited["images"][0]["id"]
        assert server.draw(plain, key="one").status_code == 409  # its picture was the one that has gone
        assert server.draw({**plain, "n": 2}, key="one").status_code == 422
    assert len(openai.requests) == 2


@pytest.mark.parametrize(
    ("path", "words"),
    [("/image/img_01m89esccjeaqaj6k91aarb667", "Give the id of an image of your own."), ("/image/zzz", "“zzz”")],
)
def test_a_program_reads_of_images_and_addresses_and_of_no_tools(server: Server, path: str, words: str) -> None:
    text = server.get(path).text
    assert words in text
    assert not re.search(r"picture|get_image|list_models", text)


@pytest.mark.parametrize(("method", "path"), [("DELETE", "models"), ("DELETE", "generate"), ("GET", "upload")])
def test_an_address_beside_the_images_is_no_image(server: Server, method: str, path: str) -> None:
    with server.web() as web:
        refused = web.request(method, f"/image/{path}")
    assert (refused.status_code, reason(refused)) == (405, "invalid_request")
    assert refused.headers["allow"] == ("GET, HEAD" if path == "models" else "POST")
