"""The emulator is proven by the vendor's own client: it gets pictures from it, and each of its typed exceptions."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import openai as sdk
import pytest
from PIL import Image

from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer, Drip, Dropped, Slow
from tests.conftest import png

Connect = Callable[..., sdk.OpenAI]


@pytest.fixture
def client(openai: OpenAI) -> Iterator[Connect]:
    """Makes the vendor's client, and closes it in the end: a socket that is left open fails some later test."""
    with ExitStack() as stack:

        def connect(key: str = openai.key, timeout: float = 10.0, max_retries: int = 0) -> sdk.OpenAI:
            made = sdk.OpenAI(api_key=key, base_url=openai.url, max_retries=max_retries, timeout=timeout)
            return stack.enter_context(made)

        yield connect


def test_the_vendors_client_gets_a_picture_with_usage_and_request_id(client: Connect, openai: OpenAI) -> None:
    answer = client().images.generate(
        model="gpt-image-2.5-flare", prompt="a fox", size="1536x864", quality="low", n=2, output_format="webp"
    )
    assert answer.data is not None
    assert len(answer.data) == 2
    with Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json or ""))) as picture:
        assert (picture.format, picture.size) == ("WEBP", (1536, 864))
    assert answer.usage is not None
    assert answer.usage.output_tokens == 240
    assert answer._request_id == "req_emulated_1"  # pyright: ignore[reportPrivateUsage]
    assert openai.requests[-1].json["n"] == 2


def test_a_wrong_key_is_an_authentication_error(client: Connect) -> None:
    with pytest.raises(sdk.AuthenticationError) as caught:
        client(key="sk-wrong").images.generate(model="gpt-image-2", prompt="a fox")
    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("response_format", "b64_json", "unknown_parameter"),
        ("negative_prompt", "no dogs", "unknown_parameter"),
        ("size", "1000x1000", "invalid_value"),
        ("size", "16x16", "invalid_value"),
        ("quality", "hd", "invalid_value"),
        ("n", 11, "invalid_value"),
        ("output_compression", 50, "invalid_value"),
    ],
)
def test_what_the_vendor_refuses_is_a_bad_request(client: Connect, field: str, value: object, code: str) -> None:
    with pytest.raises(sdk.BadRequestError) as caught:
        client().images.generate(model="gpt-image-2.5-flare", prompt="a fox", extra_body={field: value})
    assert (caught.value.code, caught.value.param) == (code, field)


def test_an_unknown_model_is_not_found(client: Connect) -> None:
    with pytest.raises(sdk.NotFoundError) as caught:
        client().images.generate(model="dall-e-3", prompt="a fox")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (emulated.MODERATED, sdk.BadRequestError, "moderation_blocked"),
        (emulated.RATE_LIMITED, sdk.RateLimitError, "rate_limit_exceeded"),
        (emulated.NO_QUOTA, sdk.RateLimitError, "insufficient_quota"),
        (emulated.BROKEN_SERVER, sdk.InternalServerError, None),
        (emulated.trouble(403, None, "Your organization must be verified."), sdk.PermissionDeniedError, None),
        (emulated.trouble(409, None, "Conflict."), sdk.ConflictError, None),
        (emulated.trouble(422, None, "Unprocessable."), sdk.UnprocessableEntityError, None),
    ],
)
def test_scripted_refusals_arrive_as_typed_exceptions(
    client: Connect, openai: OpenAI, fault: Answer, error: type[sdk.APIStatusError], code: str | None
) -> None:
    openai.next(fault)
    with pytest.raises(error) as caught:
        client().images.generate(model="gpt-image-2", prompt="a fox")
    assert caught.value.code == code
    assert caught.value.request_id == "req_trouble"


def test_a_retry_after_is_obeyed_by_the_vendors_client(client: Connect, openai: OpenAI) -> None:
    openai.next(emulated.RATE_LIMITED, emulated.BROKEN_SERVER)
    assert client(max_retries=2).images.generate(model="gpt-image-2", prompt="a fox").data
    assert len(openai.requests) == 3


@pytest.mark.parametrize("fault", [Dropped(), Dropped(midway=True)], ids=["before", "midway"])
def test_a_dropped_connection_is_a_connection_error(client: Connect, openai: OpenAI, fault: Dropped) -> None:
    openai.next(fault)
    with pytest.raises(sdk.APIConnectionError):
        client().images.generate(model="gpt-image-2", prompt="a fox")


def test_a_slow_answer_is_a_timeout(client: Connect, openai: OpenAI) -> None:
    openai.next(Slow(2))
    with pytest.raises(sdk.APITimeoutError):
        client(timeout=0.2).images.generate(model="gpt-image-2", prompt="a fox")


def test_a_drip_keeps_the_connection_open_past_any_read_timeout(client: Connect, openai: OpenAI) -> None:
    openai.next(Drip(every=0.1, length=5))
    answer = client(timeout=0.3).images.generate(model="gpt-image-2", prompt="a fox")
    assert answer.data is None


def test_broken_json_is_no_answer_that_the_vendors_client_can_use(client: Connect, openai: OpenAI) -> None:
    openai.next(emulated.BROKEN_JSON)
    with pytest.raises(ValueError):
        client().images.generate(model="gpt-image-2", prompt="a fox")


def test_the_list_of_models_tells_when_one_is_switched_off(client: Connect) -> None:
    ends = {model.id: getattr(model, "shutdown_date", None) for model in client().models.list()}
    assert ends["gpt-image-1.5"] == "2026-12-01"
    assert ends["gpt-image-2.5-flare"] is None


def rgba(colour: tuple[int, int, int, int], size: tuple[int, int] = (64, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", size, colour).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("count", [1, 2, 16])
def test_the_vendors_client_edits_pictures_with_a_mask(client: Connect, openai: OpenAI, count: int) -> None:
    files = [("a.png", rgba((1, 2, 3, 255)), "image/png")] * count
    answer = client().images.edit(
        model="gpt-image-2.5-flare",
        prompt="a hat",
        image=files[0] if count == 1 else files,
        mask=("m.png", rgba((0, 0, 0, 0))),
    )
    assert answer.data
    assert len(openai.sources[-1]) == count
    assert openai.masks[-1].getpixel((5, 5)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "mask", [b"no picture", rgba((0, 0, 0, 0), (32, 64)), png(64, 64)], ids=["rubbish", "other size", "no alpha"]
)
def test_a_bad_mask_is_a_bad_request(client: Connect, mask: bytes) -> None:
    with pytest.raises(sdk.BadRequestError):
        client().images.edit(model="gpt-image-2", prompt="a hat", image=("a.png", png(64, 64)), mask=("m.png", mask))


def test_the_vendors_client_reads_a_stream_of_partial_pictures(client: Connect) -> None:
    stream = client().images.generate(model="gpt-image-2", prompt="a fox", stream=True, partial_images=2)
    assert [event.type for event in stream] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_variations_are_gone_except_on_older_hosts(client: Connect, openai: OpenAI) -> None:
    with pytest.raises(sdk.NotFoundError):
        client().images.create_variation(  # pyright: ignore[reportDeprecated]
            model="dall-e-2", image=("a.png", png(64, 64))
        )
    openai.older = True
    answer = client().images.create_variation(  # pyright: ignore[reportDeprecated]
        model="dall-e-2", image=("a.png", png(64, 64)), size="256x256"
    )
    assert answer.data
