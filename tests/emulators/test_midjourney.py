"""The emulator by plain HTTP, as the services' pages show it: there is no official client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from atelier.providers.testing.emulators.midjourney import Midjourney
from atelier.providers.testing.fixtures import served
from atelier.providers.transport.wire import httpx


@pytest.fixture
def midjourney() -> Iterator[Midjourney]:
    yield from served(Midjourney())


def posted(host: Midjourney, path: str, key: str = "", **body: Any) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {key or host.key}"}
    return httpx.post(f"{host.url}/api/v1/mj/{path}", headers=headers, json=body).json()


def read(host: Midjourney, task: str) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {host.key}"}
    return httpx.get(f"{host.url}/api/v1/mj/record-info", params={"taskId": task}, headers=headers).json()


def test_a_task_makes_four_images_which_can_be_upscaled_and_varied(midjourney: Midjourney) -> None:
    midjourney.waits = 1
    made = posted(midjourney, "generate", taskType="mj_txt2img", prompt="a fox", speed="turbo", version="7")
    task = made["data"]["taskId"]
    states = [read(midjourney, task)["data"] for _ in range(2)]
    assert [state["successFlag"] for state in states] == [0, 1]
    links = [each["resultUrl"] for each in states[1]["resultInfoJson"]["resultUrls"]]
    assert len(links) == 4
    assert httpx.get(links[3]).headers["content-type"] == "image/jpeg"
    for path, index, count in (("generateUpscale", 0, 1), ("generateVary", 4, 4)):
        changed = posted(midjourney, path, taskId=task, imageIndex=index)["data"]["taskId"]
        read(midjourney, changed)
        assert len(read(midjourney, changed)["data"]["resultInfoJson"]["resultUrls"]) == count
    assert [str(bill.usd) for bill in midjourney.billed] == ["0.08"]


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        (401, {"key": "wrong", "taskType": "mj_txt2img", "prompt": "a fox"}),
        (422, {"taskType": "mj_img2img", "prompt": "a fox"}),
        (422, {"taskType": "mj_img2img", "prompt": "a fox", "fileUrls": ["data:image/png;base64,aaaa"]}),
        (422, {"taskType": "mj_txt2img", "prompt": "a fox", "seed": 1}),
        (422, {"taskType": "mj_txt2img", "prompt": "a fox", "speed": "Fast"}),
    ],
)
def test_a_refusal_has_its_code_in_the_body(midjourney: Midjourney, code: int, asked: dict[str, Any]) -> None:
    assert posted(midjourney, "generate", **asked)["code"] == code
    assert midjourney.billed == []
