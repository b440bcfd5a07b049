"""Keys: the same key is the same call, whatever came of it, and buys once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.emulators.xai_rules import MODERATED
from atelier.providers.testing.server import Dropped
from atelier.server.composition import pipeline_of, storage_of
from atelier.server.settings import Settings
from tests.conftest import Environ
from tests.providers.jobs.conftest import FOX, Open

pytestmark = pytest.mark.anyio


async def test_the_same_key_is_the_same_call_even_when_it_was_delivered(service: Open, openai: OpenAI) -> None:
    async with service() as one:
        first = await one.submit(FOX, key="order 7")
        one.mark_delivered(first.id)
        again = await one.submit(FOX, key="order 7")
        other = await one.submit(FOX, key="order 8")
        with pytest.raises(ImageError) as caught:
            await one.submit(replace(FOX, prompt="an owl"), key="order 7")
    assert again.id == first.id != other.id
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert len(openai.requests) == 2


async def test_a_key_whose_call_ended_in_the_dark_never_buys_again(service: Open, openai: OpenAI) -> None:
    openai.next(Dropped())
    async with service() as one:
        for _ in range(2):
            with pytest.raises(ImageError) as caught:
                await one.submit(FOX, key="order 7")
            assert caught.value.outcome_unknown
    assert len(openai.requests) == 1


async def test_a_key_holds_for_free_drafts_as_well(service: Open) -> None:
    draft = ImageRequest(prompt="a fox", model="sketch", size="64x64")
    async with service() as one:
        first, again = await one.submit(draft, key="k"), await one.submit(draft, key="k")
        with pytest.raises(ImageError):
            await one.submit(replace(draft, prompt="an owl"), key="k")
    assert first.id == again.id


async def test_a_key_whose_call_was_refused_and_billed_tells_the_bill_and_buys_nothing(
    with_xai: Environ, today: Any, xai: XAI
) -> None:
    xai.next(MODERATED)
    settings, asked = Settings.from_environ(with_xai), ImageRequest(prompt="a fox", model="grok")
    for _ in range(2):
        async with ImageService(pipeline_of(settings, storage_of(settings), today)) as one:
            with pytest.raises(ImageError) as caught:
                await one.submit(asked, key="order-7")
        assert (caught.value.reason, caught.value.facts["billed_usd"]) == (Reason.CONTENT_POLICY, Decimal("0.02"))
    assert len(xai.requests) == 1


async def test_a_key_whose_call_was_refused_for_free_may_be_tried_again(service: Open, openai: OpenAI) -> None:
    openai.next(emulated.RATE_LIMITED, emulated.MODERATED)
    async with service() as one:
        with pytest.raises(ImageError):
            await one.submit(FOX, key="order 7")
        assert isinstance(await one.submit(FOX, key="order 7"), ImageResult)
