"""The structured part within its limit: where a picture is comes before what it is, and no half of a pair stays."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mcp.types import ResourceLink
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import AssetHandle, ImageResult, ResultImage
from atelier.providers.core.tracing import new_id
from atelier.providers.images.identify import picture
from atelier.server.mcp.previews import preview
from atelier.server.mcp.results import error_result, tool_result
from atelier.server.settings import Settings
from atelier.server.storage.local import LocalStorage
from atelier.tools.image_answer import ImageData, ImageOutput, format_result
from atelier.tools.tool import Answer
from tests.conftest import encoded_png, png
from tests.server.mcp.test_server import images, text

pytestmark = pytest.mark.anyio


def result(n: int, folder: Path, *, stored: bool = True, data: bytes = png(8, 8)) -> ImageResult:
    ids = [f"img_{k:026d}" for k in range(n)]
    return ImageResult(
        id="job_x",
        images=tuple(
            ResultImage(picture(data), AssetHandle(id=id, path=str(folder / f"{id}.png")) if stored else None)
            for id in ids
        ),
        provider="sketch",
        model="sketch",
        actual_usd=Decimal(0),
    )


async def structured(made: ImageResult, folder: Path) -> dict[str, Any]:
    answer = await tool_result(format_result(made), LocalStorage(folder), Settings())
    assert answer.structured_content is not None
    assert len(json.dumps(answer.structured_content, ensure_ascii=False).encode()) < 2_048
    return answer.structured_content


@pytest.mark.parametrize("n", range(1, 11))
async def test_whatever_has_to_go_the_path_stays_and_width_goes_with_height(tmp_path: Path, n: int) -> None:
    folder = Path(str(tmp_path)[:60])
    shown = (await structured(result(n, folder), tmp_path))["images"]
    assert len(shown) == n
    assert all("path" in image for image in shown), shown
    assert all(("width" in image) == ("height" in image) for image in shown), shown


async def test_paths_too_long_for_all_leave_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 60)
    shown = await structured(result(10, folder), tmp_path)
    assert shown["folder"] == str(folder)
    assert shown["images"][9] == {"id": "img_00000000000000000000000009"}


async def test_a_preview_that_is_kept_rides_along_as_it_is(tmp_path: Path) -> None:
    made = result(1, tmp_path)
    kept = preview(png(8, 8, "red"))
    storage, id = LocalStorage(tmp_path), new_id("img")
    stored = await storage.put(id, made.images[0].picture, {"id": id})
    await storage.put_preview(id, kept)
    answer = await tool_result(
        format_result(replace(made, images=(ResultImage(made.images[0].picture, stored),))), storage, Settings()
    )
    assert b64decode(images(answer)[0].data) == kept


async def test_a_picture_neither_stored_nor_small_enough_is_told_as_that(tmp_path: Path) -> None:
    noise = encoded_png(Image.frombytes("RGB", (300, 300), os.urandom(270_000)))
    answer = await tool_result(
        format_result(result(1, tmp_path, stored=False, data=noise)), LocalStorage(tmp_path), Settings()
    )
    assert images(answer)[0].mime_type == "image/jpeg"
    assert "only its preview" in text(answer)


async def test_a_signed_link_is_named_by_its_file_and_not_by_its_signature(tmp_path: Path) -> None:
    made = result(1, tmp_path)
    url = "https://fox.s3.amazonaws.com/customers/1/assets/image/0.png?X-Amz-Signature=abc"
    made = replace(made, images=(ResultImage(made.images[0].picture, AssetHandle(id=f"img_{0:026d}", url=url)),))
    answer = await tool_result(format_result(made), LocalStorage(tmp_path), Settings(resource_links=True))
    (link,) = [block for block in answer.content if isinstance(block, ResourceLink)]
    assert (str(link.uri), link.name) == (url, "0.png")
    assert answer.structured_content is not None
    assert answer.structured_content["images"][0]["url"] == url


async def test_a_link_that_is_signed_with_a_token_is_worth_more_than_the_prompt(tmp_path: Path) -> None:
    class Shown(ImageOutput):
        prompt: str

    def shown(url: str) -> Answer:
        kept = ResultImage(picture(png(8, 8)), AssetHandle(id=f"img_{0:026d}", url=url))
        image = ImageData(id=f"img_{0:026d}", url=url, mime="image/png", width=8, height=8)
        data = Shown(summary="1 image.", images=[image], provider="sketch", model="sketch", prompt="a fox " * 50)
        return Answer(text="1 image.", data=data, pictures=(kept,))

    for length, spared in ((400, False), (1_700, True)):
        url = "https://fox.s3.amazonaws.com/0.png?X-Amz-Security-Token=" + "t" * length
        fields = (await tool_result(shown(url), LocalStorage(tmp_path), Settings())).structured_content
        assert fields is not None
        assert fields["images"][0]["url"] == url
        assert ("prompt" not in fields) is spared


def test_an_error_whose_outcome_is_unknown_tells_programs_so() -> None:
    error = ImageError(Reason.TIMEOUT, "Late.", hint="Look.", facts={"outcome": "unknown"})
    assert (error_result(error).meta or {})["atelier/error"] == {
        "reason": "timeout", "retryable": True, "retry_after": None, "hint": "Look.", "outcome": "unknown",
        "facts": {"outcome": "unknown"},
    }  # fmt: skip
