"""safe_prompt: after a refusal that cost nothing, one more try in softer words, which the answer tells."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.pipeline.fallback import CLAUSE, soften
from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Dropped
from atelier.providers.vendors import flux
from atelier.providers.vendors.openai import PROVIDER
from tests.conftest import Environ
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

KNIGHT = ImageRequest(prompt="a bloody knight", model="openai", quality="low", options={"safe_prompt": True})


async def test_a_refused_prompt_is_sent_once_more_in_softer_words(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(emulated.MODERATED)
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(KNIGHT)
    first, second = (request.json["prompt"] for request in openai.requests)
    assert first == "a bloody knight"
    assert second == f"a paint-stained knight. {CLAUSE}" == soften(first)
    assert not any("safe_prompt" in request.json for request in openai.requests)
    assert result.images[0].prompt_used == second
    assert "softened" in result.warnings[0]


async def test_there_is_one_more_try_and_no_third(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(emulated.MODERATED, emulated.MODERATED)
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError, match="moderation") as caught:
            await pipeline.run(KNIGHT)
    assert caught.value.reason is Reason.CONTENT_POLICY
    assert "second attempt" in caught.value.hint
    assert len(openai.requests) == 2


@pytest.mark.parametrize("asked", [True, False])
async def test_without_a_free_refusal_or_unasked_nothing_is_sent_again(
    with_openai: Environ, openai: OpenAI, asked: bool
) -> None:
    openai.next(Dropped() if asked else emulated.MODERATED)
    request = KNIGHT if asked else ImageRequest(prompt="a bloody knight", model="openai", quality="low")
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError):
            await pipeline.run(request)
    assert len(openai.requests) == 1


async def test_another_vendor_refuses_the_option_by_name(with_openai: Environ) -> None:
    async with open_pipeline(flux.PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError, match="safe_prompt") as caught:
            pipeline.admit(ImageRequest(prompt="a knight", model="flux-2-pro", options={"safe_prompt": True}))
    assert caught.value.reason is Reason.UNSUPPORTED_OPTION
