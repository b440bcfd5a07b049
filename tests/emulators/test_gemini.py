"""The emulator is proven by the vendor's own client: it gets pictures from both APIs, and each kind of refusal."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from PIL import Image

from atelier.providers.testing.emulators import gemini_rules as emulated
from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.testing.server import Answer, Dropped, Fault, Slow
from tests.conftest import png

MODEL = "gemini-nano-banana-2.1"
Connect = Callable[..., Any]  # the client's own types are loose

imagen = pytest.mark.filterwarnings("ignore:The (generate|edit)_image")  # which the client is about to drop


@pytest.fixture
def models(gemini: Gemini) -> Iterator[Connect]:
    """Makes the vendor's client; one that nobody holds would close itself in the midst of a call."""
    made = list[genai.Client]()

    def connect(key: str = gemini.key, *, cloud: bool = False, **options: int | str) -> Any:
        reach = types.HttpOptions.model_validate({"base_url": gemini.url, **options})
        made.append(genai.Client(api_key=key, http_options=reach, vertexai=cloud))
        return made[-1].models

    yield connect
    for client in made:
        client.close()


def asked(**image: str) -> types.GenerateContentConfig:
    shape = types.ImageConfig.model_validate(image) if image else None
    return types.GenerateContentConfig(response_modalities=["IMAGE"], image_config=shape)


def given(data: bytes, mime: str = "image/png") -> types.Part:
    return types.Part.from_bytes(data=data, mime_type=mime)


def sizes(answer: Any) -> list[tuple[int, int]]:
    """Of the pictures that count."""
    parts: list[types.Part] = answer.parts or []
    found = [part.inline_data for part in parts if part.inline_data and not part.thought]
    return [Image.open(io.BytesIO(blob.data or b"")).size for blob in found]


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_the_vendors_client_gets_a_picture_with_usage(models: Connect, gemini: Gemini, version: str) -> None:
    config = asked(aspect_ratio="16:9", image_size="2K")
    answer = models(api_version=version).generate_content(model=MODEL, contents="a fox", config=config)
    assert sizes(answer) == [(2752, 1536)]
    assert (answer.usage_metadata.candidates_token_count, answer.model_version) == (1680, MODEL)
    assert gemini.requests[-1].path == f"/{version}/models/{MODEL}:generateContent"
    assert gemini.requests[-1].headers["x-goog-api-key"] == gemini.key


def test_it_takes_pictures_and_follows_the_shape_of_the_last(models: Connect) -> None:
    contents = ["join them", given(png(64, 64)), given(png(96, 64))]
    answer = models().generate_content(model=MODEL, contents=contents, config=asked())
    assert sizes(answer) == [(1264, 848)]
    assert answer.usage_metadata.prompt_token_count == len("join them") // 4 + 2 * 1120


def test_it_thinks_aloud_before_the_picture(models: Connect, gemini: Gemini) -> None:
    gemini.thinks = True
    thinking = types.ThinkingConfig(thinking_level=types.ThinkingLevel.HIGH)
    config = types.GenerateContentConfig(response_modalities=["IMAGE"], thinking_config=thinking, seed=7)
    answer = models().generate_content(model=MODEL, contents="a fox", config=config)
    assert [bool(part.thought) for part in answer.parts] == [True, True, False]
    assert answer.usage_metadata.thoughts_token_count == 55


def test_without_the_modality_the_answer_is_words(models: Connect) -> None:
    answer = models().generate_content(model=MODEL, contents="a fox")
    assert (answer.text, sizes(answer)) == ("A fox, in words.", [])


@pytest.mark.parametrize(
    ("model", "image"),
    [
        (MODEL, {"aspect_ratio": "7:3"}),
        (MODEL, {"image_size": "1k"}),
        (MODEL, {"image_size": "512"}),
        ("gemini-3-pro-image", {"aspect_ratio": "1:8"}),
        ("gemini-2.5-flash-image", {"image_size": "1K"}),
    ],
)
def test_what_a_model_does_not_offer_is_an_invalid_argument(models: Connect, model: str, image: dict[str, str]) -> None:
    with pytest.raises(errors.ClientError) as caught:
        models().generate_content(model=model, contents="a fox", config=asked(**image))
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({"negativePrompt": "dogs"}, "negativePrompt"),
        ({"generationConfig": {"imageConfig": {"outputMimeType": "image/png"}}}, "outputMimeType"),
    ],
)
def test_an_unknown_field_is_refused_by_name(models: Connect, extra: dict[str, object], name: str) -> None:
    config = types.GenerateContentConfig(http_options=types.HttpOptions(extra_body=extra))
    with pytest.raises(errors.ClientError, match=f'Unknown name "{name}"'):
        models().generate_content(model=MODEL, contents="a fox", config=config)


def test_what_is_no_picture_and_one_too_many_are_refused(models: Connect) -> None:
    four = [given(png(8, 8))] * 4
    for parts, complaint in (
        ([given(png(8, 8), "image/jpeg")], "match"),
        ([given(b"GIF89a", "image/gif")], "Unsupported MIME"),
        ([given(b"no picture")], "Unable to process"),
        (four, "At most 3"),
    ):
        with pytest.raises(errors.ClientError, match=complaint):
            models().generate_content(model="gemini-2.5-flash-image", contents=["a fox", *parts], config=asked())
    assert sizes(models().generate_content(model=MODEL, contents=["a fox", *four], config=asked()))


def test_a_wrong_key_is_a_bad_request_with_a_reason(models: Connect) -> None:
    with pytest.raises(errors.ClientError, match="API_KEY_INVALID") as caught:
        models("AIzaWrong").generate_content(model=MODEL, contents="a fox")
    assert caught.value.code == 400


def test_a_retired_model_is_not_found(models: Connect) -> None:
    with pytest.raises(errors.ClientError) as caught:
        models().generate_content(model="gemini-3-pro-image-preview", contents="a fox")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("fault", "error", "code", "status"),
    [
        (emulated.RATE_LIMITED, errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        (emulated.NO_BILLING, errors.ClientError, 400, "FAILED_PRECONDITION"),
        (emulated.trouble(403, "PERMISSION_DENIED", "No."), errors.ClientError, 403, "PERMISSION_DENIED"),
        (emulated.trouble(499, "CANCELLED", "Gone."), errors.ClientError, 499, "CANCELLED"),
        (emulated.BROKEN_SERVER, errors.ServerError, 500, "INTERNAL"),
        (emulated.OVERLOADED, errors.ServerError, 503, "UNAVAILABLE"),
        (emulated.TOO_LATE, errors.ServerError, 504, "DEADLINE_EXCEEDED"),
    ],
)
def test_scripted_refusals_arrive_as_typed_exceptions(
    models: Connect, gemini: Gemini, fault: Answer, error: type[errors.APIError], code: int, status: str
) -> None:
    gemini.next(fault)
    with pytest.raises(error) as caught:
        models().generate_content(model=MODEL, contents="a fox")
    assert (caught.value.code, caught.value.status) == (code, status)


def test_a_refusal_with_status_200_has_a_reason_and_no_picture(models: Connect, gemini: Gemini) -> None:
    gemini.next(emulated.blocked("PROHIBITED_CONTENT"), emulated.finished("IMAGE_SAFETY", "Unsafe."))
    before, after = (models().generate_content(model=MODEL, contents="a fox", config=asked()) for _ in "12")
    assert before.prompt_feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT
    assert before.candidates is None
    assert after.candidates[0].finish_reason is types.FinishReason.IMAGE_SAFETY
    assert after.parts is None


@imagen
def test_imagen_makes_four_pictures_unless_told_otherwise(models: Connect) -> None:
    model, cloud = "imagen-4.0-generate-001", models(cloud=True)
    config = types.GenerateImagesConfig(number_of_images=2, aspect_ratio="16:9", output_mime_type="image/jpeg")
    two = cloud.generate_images(model=model, prompt="a fox", config=config).generated_images
    four = cloud.generate_images(model=model, prompt="a fox").generated_images
    assert (len(two), len(four)) == (2, 4)
    with Image.open(io.BytesIO(two[0].image.image_bytes)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1408, 768))


@imagen
def test_imagen_takes_a_seed_only_without_a_watermark(models: Connect) -> None:
    model, cloud = "imagen-4.0-generate-001", models(cloud=True)
    with pytest.raises(errors.ClientError, match="watermark"):
        cloud.generate_images(model=model, prompt="a fox", config=types.GenerateImagesConfig(seed=7))
    config = types.GenerateImagesConfig(seed=7, add_watermark=False)
    assert cloud.generate_images(model=model, prompt="a fox", config=config).generated_images


@imagen
def test_imagen_tells_why_a_picture_is_missing_when_asked(models: Connect, gemini: Gemini) -> None:
    gemini.filtered = 1
    for told, reasons in ((True, ["58061214: the picture may violate our policies.", None]), (False, [None])):
        config = types.GenerateImagesConfig(number_of_images=2, include_rai_reason=told)
        answer = models(cloud=True).generate_images(model="imagen-4.0-generate-001", prompt="a fox", config=config)
        assert [image.rai_filtered_reason for image in answer.generated_images] == reasons


@imagen
def test_imagen_edits_where_a_mask_of_the_same_size_says(models: Connect) -> None:
    def edit(mask: bytes) -> Any:
        raw, drawn = (types.Image(image_bytes=data, mime_type="image/png") for data in (png(64, 48), mask))
        by_hand = types.MaskReferenceConfig(mask_mode=types.MaskReferenceMode.MASK_MODE_USER_PROVIDED)
        return models(cloud=True).edit_image(
            model="imagen-3.0-capability-001",
            prompt="a hat",
            reference_images=[
                types.RawReferenceImage(reference_id=1, reference_image=raw),
                types.MaskReferenceImage(reference_id=2, reference_image=drawn, config=by_hand),
            ],
            config=types.EditImageConfig(edit_mode=types.EditMode.EDIT_MODE_INPAINT_INSERTION, number_of_images=1),
        )

    assert len(edit(png(64, 48, 255, "L")).generated_images) == 1
    with pytest.raises(errors.ClientError, match="size of the image"):
        edit(png(48, 64, 255, "L"))


@pytest.mark.parametrize(
    "fault",
    [Dropped(), Dropped(midway=True), Slow(0.5), emulated.BROKEN_JSON],
    ids=["before", "midway", "slow", "json"],
)
def test_half_an_answer_is_none(models: Connect, gemini: Gemini, fault: Fault) -> None:
    gemini.next(fault)
    with pytest.raises(Exception) as caught:  # each way to fail has its own
        models(timeout=300).generate_content(model=MODEL, contents="a fox")
    assert not isinstance(caught.value, errors.APIError)


def test_the_list_of_models_bears_no_retired_one(models: Connect) -> None:
    names = [model.name for model in models().list()]
    assert f"models/{MODEL}" in names
    assert not [name for name in names if "imagen" in name]
