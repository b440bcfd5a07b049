"""A user's way through fal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Environ, served
from tests.emulators.fal import FLAGGED, Fal
from tests.exhaustive import exhaustive
from tests.faults.servers import answered
from tests.journeys.vendors.journey import collected_after_a_crash, made, photo, refused, started

pytestmark = [pytest.mark.anyio, exhaustive]


@pytest.fixture
def fal() -> Iterator[Fal]:
    yield from served(Fal())


@pytest.fixture
def with_fal(fal: Fal, environ: Environ) -> Environ:
    return {**environ, "FAL_KEY": fal.key, "FAL_BASE_URL": fal.url}


async def test_pictures_are_priced_made_edited_and_refused(fal: Fal, with_fal: Environ, tmp_path: Path) -> None:
    async with started(with_fal) as client:
        price = answered(await client.call_tool("estimate_cost", {"model": "fal-ai/nano-banana-pro", "n": 2}))
        assert price["total_usd"] == 0.3
        one = await made(client, "generate_image", prompt="a fox", size="512x512")  # its key is the only one
        assert (one["provider"], one["model"], one["actual_usd"]) == ("fal", "fal-ai/flux/dev", 0.025)
        source = one["images"][0]["id"]
        two = await made(client, "edit_image", prompt="at night", image=source, model="fal-ai/flux-2-pro")
        assert two["model"] == "fal-ai/flux-2-pro"
        three = await made(
            client, "edit_image", operation="upscale", image=photo(tmp_path), model="fal/fal-ai/clarity-upscaler"
        )
        assert three["model"] == "fal-ai/clarity-upscaler"
        assert "safety checker" in await refused(client, "generate_image", prompt=FLAGGED)
        assert "image" in await refused(client, "edit_image", prompt="a fox", image=source, model="fal/owner/name")
    posts = [request.path for request in fal.requests if request.method == "POST"]
    assert posts == ["/fal-ai/flux/dev", "/fal-ai/flux-2-pro/edit", "/fal-ai/clarity-upscaler", "/fal-ai/flux/dev"]


async def test_what_a_killed_server_had_queued_is_collected_and_not_queued_again(fal: Fal, with_fal: Environ) -> None:
    answer = await collected_after_a_crash(with_fal, "generate_image", prompt="a fox")
    assert len(answer["images"]) == 1
    assert len([request for request in fal.requests if request.method == "POST"]) == 1
