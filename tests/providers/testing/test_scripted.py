"""The scripted vendor: every kind of step through the real pipeline, and what it records."""

from __future__ import annotations

import time

import anyio
import httpx2
import pytest

from atelier.providers import ImageError, Reason
from atelier.providers.testing import Delay, Held, ScriptedProvider, sent
from tests.conftest import png

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("impatient")]


async def test_it_answers_in_order_and_records_what_it_was_asked() -> None:
    fox = png(32, 32)
    vendor = ScriptedProvider(fox, Delay(0.2))
    async with vendor.service() as service:
        first = await service.generate("a fox", seed=7, size="512x512")
        began = time.monotonic()
        second = await service.edit(png(64, 64), "in the snow", strength=0.5)
    assert first.image_bytes == fox
    assert (second.images[0].picture.width, time.monotonic() - began >= 0.2) == (64, True)
    assert [request.prompt for request in vendor.asked] == ["a fox", "in the snow"]
    assert sent(vendor.requests[0]) == {
        "model": "scripted-1", "operation": "generate", "prompt": "a fox", "size": "512x512", "seed": 7,
    }  # fmt: skip


@pytest.mark.parametrize("reason", [Reason.CONTENT_POLICY, Reason.QUOTA_EXCEEDED, Reason.INVALID_REQUEST])
async def test_a_refusal_has_its_reason_and_is_not_sent_again(reason: Reason) -> None:
    vendor = ScriptedProvider(ImageError(reason, "No foxes."))
    async with vendor.service() as service:
        with pytest.raises(ImageError) as caught:
            await service.generate("a fox")
    assert (caught.value.reason, len(vendor.requests)) == (reason, 1)
    assert "No foxes." in caught.value.message


async def test_what_is_busy_is_sent_again_and_a_broken_connection_is_not() -> None:
    vendor = ScriptedProvider(ImageError(Reason.RATE_LIMITED, "Slow down.", retry_after=0))
    async with vendor.service() as service:
        assert (await service.generate("a fox")).images
        assert len(vendor.requests) == 2
        vendor.then(httpx2.ReadError("cut off"))
        with pytest.raises(ImageError) as caught:
            await service.generate("a hen")
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.NETWORK_ERROR, True)
    assert len(vendor.requests) == 3


@pytest.mark.parametrize("body", ["<html>No.</html>", '{"image": "iVBO', "", "[]"])
async def test_an_odd_body_is_an_invalid_response(body: str) -> None:
    async with ScriptedProvider(body).service() as service:
        with pytest.raises(ImageError) as caught:
            await service.generate("a fox")
    assert caught.value.reason is Reason.INVALID_RESPONSE


async def test_an_answer_is_held_until_the_test_lets_it_go() -> None:
    held = Held()
    vendor = ScriptedProvider(held)
    async with vendor.service() as service, anyio.create_task_group() as tasks:
        tasks.start_soon(service.generate, "a fox")
        await held.arrived.wait()
        assert vendor.asked == []
        held.go.set()
    assert len(vendor.asked) == 1


async def test_gates_come_before_the_key_and_the_key_before_anything_is_sent() -> None:
    vendor = ScriptedProvider(needs_key=True)
    async with vendor.service() as service:
        for option, reason in (("no-such", Reason.UNSUPPORTED_OPTION), ("low", Reason.AUTHENTICATION)):
            with pytest.raises(ImageError) as caught:
                await service.generate("a fox", model="scripted", quality=option)
            assert caught.value.reason is reason
    assert vendor.requests == []
    async with vendor.service({"SCRIPTED_API_KEY": "key-123"}) as service:
        await service.generate("a fox")
    assert vendor.requests[0].headers["authorization"] == "Bearer key-123"
