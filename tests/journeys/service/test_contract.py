"""`POST /image/generate` as it was ordered, field by field, with images in a bucket; and the routes around it."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from atelier.providers.core.tracing import uuid_of
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.openai_rules import BROKEN_JSON, BROKEN_SERVER, MODERATED, NO_QUOTA, trouble
from atelier.providers.testing.emulators.stability import Stability
from atelier.providers.testing.server import Answer, Held
from atelier.providers.testing.waiting import until
from atelier.providers.transport.network.http_client import httpx
from tests.conftest import Environ, png
from tests.exhaustive import exhaustive, sample
from tests.journeys.service.conftest import Bucket
from tests.server.http_process import Server, data_of, reason, serving

CUSTOMER = "123"

ORDER: dict[str, Any] = {
    "prompt": "A serene mountain landscape at sunset",
    "settings": {"image": {"model": "openai", "width": 1024, "height": 1024, "quality": "high"}},
    "customer_id": 123,
    "save_to_db": True,
}


def ordered(server: Server, caller: str = CUSTOMER, key: str | None = None, **changes: Any) -> httpx.Response:
    """POST the order, with changes at its top."""
    with server.web(caller) as web:
        headers = {} if key is None else {"Idempotency-Key": key}
        return web.post("/image/generate", json={**ORDER, **changes}, headers=headers)


def test_the_order_is_answered_field_by_field(with_openai: Environ, openai: OpenAI, bucket: Bucket) -> None:
    with serving({**with_openai, **bucket.environ}) as server:
        answer = ordered(server, request_id="order-7")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert {name: answer.json()[name] for name in ("success", "code")} == {"success": True, "code": 200}
        data = data_of(answer)
        (image,) = data["images"]
        bill = data.pop("actual_usd")
        assert 0 < bill <= data.pop("estimated_usd") * 1.5
        assert data.pop("usage").keys() == {"input_tokens", "output_tokens"}
        assert data == {
            "status": "done",
            "job": None,
            "image_url": image["url"],
            "provider": "openai",
            "model": openai.requests[0].json["model"],
            "operation": None,
            "prompt": None,
            "parent": None,
            "created_at": None,
            "settings": {"width": 1024, "height": 1024, "quality": "high"},
            "images": [image],
            "request_id": "order-7",
            "vendor_request_id": data["vendor_request_id"],
            "warnings": [],
        }
        assert data["vendor_request_id"].startswith("req_")
        file = httpx.get(data["image_url"], trust_env=False)  # no token is needed
        assert Image.open(io.BytesIO(file.content)).size == (1024, 1024)
        assert image == {
            "id": image["id"],
            "url": data["image_url"],
            "mime": file.headers["content-type"],
            "width": 1024,
            "height": 1024,
            "bytes": len(file.content),
            "prompt_used": ORDER["prompt"],
            "seed": None,
            "delivered": None,
        }
        stem = f"customers/123/assets/image/{uuid_of(image['id'])}"
        assert data["image_url"].startswith(f"{bucket.store.url}/{bucket.name}/{stem}.png")
        assert {f"{stem}.png", f"{stem}.json"} <= set(bucket.objects)
        spent = data_of(server.get("/usage", CUSTOMER))
        assert spent["today"] == {"spent_usd": pytest.approx(bill), "cap_usd": None, "left_usd": None}
        assert data_of(server.get("/usage", "124"))["month"]["spent_usd"] == 0
        with server.web("124") as other:
            assert other.delete(f"/image/{image['id']}").status_code == 404
        with server.web(CUSTOMER) as web:
            assert data_of(web.delete(f"/image/{image['id']}")) == {"id": image["id"], "deleted": True}
            assert web.delete(f"/image/{image['id']}").status_code == 404
        assert bucket.objects == []
    (sent,) = openai.requests
    assert (sent.json["size"], sent.json["quality"]) == ("1024x1024", "high")


@exhaustive
def test_without_saving_the_whole_image_is_in_the_answer_and_nothing_is_kept(
    with_openai: Environ, openai: OpenAI, bucket: Bucket
) -> None:
    noise = io.BytesIO()
    Image.effect_noise((1024, 1024), 90).save(noise, "PNG")
    made = {"created": 1, "data": [{"b64_json": base64.b64encode(noise.getvalue()).decode()}]}
    openai.next(Answer(200, made, {"x-request-id": "req_noise"}))
    with serving({**with_openai, **bucket.environ}) as server:
        data = data_of(ordered(server, save_to_db=False))
        head, _, whole = data["image_url"].partition(",")
        assert head == "data:image/png;base64"
        image = Image.open(io.BytesIO(base64.b64decode(whole)))
        assert (image.size, len(base64.b64decode(whole))) == ((1024, 1024), data["images"][0]["bytes"])
        assert data["images"][0]["bytes"] > 500_000  # far beyond what an answer over MCP carries
        assert (data["images"][0]["id"], data["images"][0]["url"]) == (None, data["image_url"])
        until(lambda: bucket.objects == [])
        assert server.get("/image/last", CUSTOMER).status_code == 404
        data_of(ordered(server, save_to_db=False, key="k"))  # it was delivered, so this is a new request
        until(lambda: bucket.objects == [])
        again = ordered(server, save_to_db=False, key="k")
        assert (again.status_code, reason(again)) == (409, "not_found")
    assert len(openai.requests) == 2


FAILURES: dict[str, tuple[Answer, int, str, str | None]] = {
    "policy": (MODERATED, 400, "content_policy", None),
    "vendor limit": (trouble(429, "rate_limit_exceeded", "Slow down.", retry_after="400"), 429, "rate_limited", None),
    "vendor limit without a wait": (trouble(429, "rate_limit_exceeded", "Slow down."), 429, "rate_limited", None),
    "our quota": (NO_QUOTA, 502, "quota_exceeded", None),
    "our key": (trouble(401, "invalid_api_key", "Incorrect API key provided."), 502, "authentication", None),
    "down": (BROKEN_SERVER, 502, "provider_unavailable", None),
    "nonsense": (BROKEN_JSON, 502, "invalid_response", "unknown"),
    "a gateway": (Answer(504, b"<html></html>", {"content-type": "text/html"}), 502, "provider_unavailable", "unknown"),
}


@pytest.mark.parametrize(
    ("answer", "status", "why", "outcome"), sample(FAILURES.values(), [*FAILURES.values()][:2], id=lambda case: case[2])
)
def test_a_failure_of_the_vendor_has_its_status(
    with_openai: Environ, openai: OpenAI, answer: Answer, status: int, why: str, outcome: str | None
) -> None:
    openai.next(*[answer] * 10)
    with serving(with_openai) as server:
        failed = ordered(server)
    assert (failed.status_code, reason(failed)) == (status, why), failed.text
    error = failed.json()["error"]
    assert error["facts"].get("outcome") == outcome
    assert failed.headers.get("retry-after") == (str(int(error["retry_after"])) if error["retry_after"] else None)
    assert ("retry-after" in failed.headers) == (status == 429)
    assert openai.key not in failed.text
    assert openai.url not in failed.text
    assert not {"url", "polling_url", "bucket", "sealed"} & error["facts"].keys()


@exhaustive
def test_a_store_that_takes_the_image_nowhere_is_502_and_the_image_is_not_lost(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    (tmp_path / "out").touch()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "spool").touch()
    with serving(with_openai) as server:
        failed = ordered(server)
        assert (failed.status_code, reason(failed)) == (502, "storage_failed")
        facts = failed.json()["error"]["facts"]
        assert facts.keys() == {"job", "billed_usd", "images"}
        head, _, whole = facts["images"][0].partition(",")
        assert head == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(whole))).size == (1024, 1024)
        unsaved = data_of(ordered(server, save_to_db=False))
        assert unsaved["image_url"].startswith("data:image/png;base64,")
        with server.web(CUSTOMER) as web:
            upload = web.post("/image/upload", content=png(8, 8), headers={"Content-Type": "image/png"})
            assert (upload.status_code, reason(upload)) == (502, "storage_failed")
        assert str(tmp_path) not in failed.text + upload.text


@exhaustive
def test_a_bucket_that_is_away_costs_nothing_but_a_warning(with_openai: Environ) -> None:
    away = {
        "ATELIER_STORAGE": "s3", "ATELIER_S3_BUCKET": "away", "ATELIER_S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
    }  # fmt: skip
    with serving({**with_openai, **away}) as server:
        data = data_of(ordered(server))
        assert "The image is queued on the server and uploaded later; its id works meanwhile." in data["warnings"]
        assert len(httpx.get(data["image_url"], trust_env=False).content) == data["images"][0]["bytes"]
        assert data_of(server.get(f"/image/{data['images'][0]['id']}", CUSTOMER))["status"] == "done"
        assert "atelier_uploads_waiting 1.0" in server.get("/metrics").text
        unsaved = data_of(ordered(server, save_to_db=False))
        assert not [warning for warning in unsaved["warnings"] if "queued" in warning]


PARAMETERS = {
    "model": "stability/core", "n": 1, "aspect_ratio": "16:9", "style": "anime", "output_format": "jpeg",
    "negative_prompt": "dogs", "seed": 7, "options": [], "deliver_size": "300x200", "deliver_fit": "crop",
    "deliver_max_kb": 50, "confirm_cost": True, "fallback": ["sketch"],
}  # fmt: skip


@exhaustive
def test_every_parameter_of_the_tool_is_taken_and_the_fallback_is_used(environ: Environ, stability: Stability) -> None:
    keys = {"STABILITY_API_KEY": stability.key, "STABILITY_BASE_URL": stability.url}
    with serving({**environ, **keys}) as server:
        data = data_of(ordered(server, settings={"image": PARAMETERS}))
        asked = {name: value for name, value in PARAMETERS.items() if name != "model"}
        assert data["settings"] == {**asked, "width": 1344, "height": 768}
        (image,) = data["images"]
        assert (data["provider"], image["seed"], image["mime"]) == ("stability", 7, "image/jpeg")
        copy = image["delivered"]
        assert (copy["width"], copy["height"], copy["bytes"] <= 50_000) == (300, 200, True)
        assert Image.open(io.BytesIO(httpx.get(copy["url"], trust_env=False).content)).size == (300, 200)
        stability.next(*[Answer(500, {"id": "x", "name": "internal", "errors": ["down"]})] * 10)
        plain = {"model": "stability/core", "fallback": ["sketch"]}
        other = data_of(ordered(server, settings={"image": plain}))
        assert (other["provider"], other["warnings"][0][:30]) == ("sketch", "Made with sketch/sketch instea")


@exhaustive
def test_a_vendor_that_is_late_is_502(with_openai: Environ, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    with serving({**with_openai, "ATELIER_TIMEOUT_SECONDS": "0.5"}) as server:
        late = ordered(server)
        held.go.set()
    assert (late.status_code, reason(late), late.json()["error"]["facts"]["outcome"]) == (502, "timeout", "unknown")


def test_what_the_caller_can_correct_is_refused_before_the_vendor_has_it(with_openai: Environ, openai: OpenAI) -> None:
    with serving({**with_openai, "ATELIER_BUDGET_PER_CALL": "0.5", "ATELIER_SOURCE_MAX_MB": "1"}) as server:
        wrong = [
            ordered(server, prompt=""), ordered(server, prompt=" \u200b\u2060\n"),
            ordered(server, customer_id=0), ordered(server, customer_id=-5),
            ordered(server, customer_id=124), ordered(server, customer_id="alice"), ordered(server, customer_id=True),
            ordered(server, settings={"image": {"style": "anime"}}), ordered(server, colour="red"),
        ]  # fmt: skip
        assert [answer.status_code for answer in wrong] == [400] * len(wrong)
        expensive = {"image": {"model": "openai", "n": 10, "quality": "high", "size": "3072x2048"}}
        assert ordered(server, settings=expensive).status_code == 402
        with server.web(None) as stranger:
            assert stranger.post("/image/generate", json=ORDER).status_code == 401
        with server.web(CUSTOMER) as web:
            assert web.post("/image/generate", data={"prompt": "a fox"}).status_code == 415
            large = web.post("/image/upload", content=bytes(2**20 + 1), headers={"Content-Type": "image/png"})
            assert (large.status_code, reason(large)) == (413, "invalid_request")
            text = web.post("/image/upload", content=b"no image", headers={"Content-Type": "image/png"})
            assert (text.status_code, reason(text)) == (400, "invalid_request")
            assert web.post("/image/upload", json={}).status_code == 415
            assert web.post("/image/upload", data={"file": "x"}, files={}).status_code == 415
            assert web.get("/image/img_01m89esccjeaqaj6k91aarb667").status_code == 404
        assert openai.requests == []
        assert ordered(server, key="k").status_code == 200
        assert ordered(server, key="k").status_code == 200
        assert ordered(server, key="k", prompt="another").status_code == 422
    assert len(openai.requests) == 1


@exhaustive
def test_a_call_that_outlasts_the_wait_is_a_job(with_openai: Environ, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    with serving({**with_openai, "ATELIER_WAIT_SECONDS": "0"}) as server:
        accepted = ordered(server, request_id="order-7")
        data = data_of(accepted)
        assert (accepted.status_code, data["status"], data["request_id"]) == (202, "running", "order-7")
        assert accepted.headers["location"] == f"/image/{data['job']}"
        assert (data["image_url"], data["images"], data["provider"]) == (None, [], "openai")
        assert data["estimated_usd"] > 0
        held.go.set()
        place = accepted.headers["location"]
        until(lambda: server.get(place, CUSTOMER).status_code == 200)
        done = data_of(server.get(place, CUSTOMER))
    assert (done["status"], done["images"][0]["width"]) == ("done", 1024)
    assert done["image_url"] == done["images"][0]["url"]


@exhaustive
def test_a_job_that_is_not_to_be_saved_is_collected_once(with_openai: Environ, openai: OpenAI, bucket: Bucket) -> None:
    held = Held()
    openai.next(held)
    with serving({**with_openai, **bucket.environ, "ATELIER_WAIT_SECONDS": "0"}) as server:
        place = ordered(server, save_to_db=False).headers["location"]
        assert data_of(server.get(place, CUSTOMER))["status"] == "running"
        assert server.get(place, "124").status_code == 404
        held.go.set()
        answers = list[httpx.Response]()

        def collected() -> bool:
            answers.append(server.get(place, CUSTOMER))
            return answers[-1].status_code == 200

        until(collected)
        data = data_of(answers[-1])
        assert data["image_url"].startswith("data:image/png;base64,")
        assert (data["usage"]["output_tokens"] > 0, data["vendor_request_id"][:4]) == (True, "req_")
        until(lambda: bucket.objects == [])
        again = server.get(place, CUSTOMER)
        assert (again.status_code, reason(again)) == (404, "not_found")


@exhaustive
@pytest.mark.anyio
async def test_an_upload_is_edited_through_mcp_and_rest(environ: Environ) -> None:
    photo = png(320, 200, "teal")
    with serving(environ) as server:
        with server.web(CUSTOMER) as web:
            form = data_of(web.post("/image/upload", files={"file": ("photo.png", photo, "image/png")}))
            bare = data_of(web.post("/image/upload", content=photo, headers={"Content-Type": "image/png"}))
            for told in (form, bare):
                (image,) = told["images"]
                assert (told["operation"], told["image_url"], image["width"]) == ("upload", image["url"], 320)
                assert web.get(f"/image/{image['id']}/file").status_code == 200
            id = form["images"][0]["id"]
            change = {"image": id, "prompt": "a hat", "settings": {"image": {"model": "sketch"}}}
            edited = data_of(web.post("/image/edit", json=change))["images"][0]["id"]
            assert data_of(web.get(f"/image/{edited}"))["parent"] == id
            priced = data_of(web.post("/image/estimate", json={"image": id, **change}))
            assert priced["total_usd"] == 0
            assert "sketch" in [row["vendor"] for row in data_of(web.get("/image/models"))["models"]]
            assert data_of(web.get("/usage"))["today"]["spent_usd"] == 0
        async with server.mcp(CUSTOMER) as client:
            result = await client.call_tool("edit_image", {"image": id, "prompt": "a moon", "model": "sketch"})
            assert not result.is_error
            listed = await client.call_tool("get_image", {"list": True})
            assert listed.structured_content is not None
            assert [row["model"] for row in listed.structured_content["pictures"]][-2:] == ["upload", "upload"]
        async with server.mcp("124") as other:
            assert (await other.call_tool("edit_image", {"image": id, "prompt": "x", "model": "sketch"})).is_error
