"""The parameters that tools share, described once.

Empty strings and null count as absent, since some hosts fill in every field.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import from_json

from atelier.providers.core.sizes import MAX_KB, MIN_KB
from atelier.tools.parameters.delivery import split_words

MAX_PROMPT_CHARACTERS = 32_000  # the limit of the model that takes the longest prompt
MAX_COUNT = 10
MAX_SEED = 2**32 - 1


def _blank_is_absent(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _blank_is_one(value: Any) -> Any:
    return 1 if _blank_is_absent(value) is None else value


def _blank_is_true(value: Any) -> Any:
    return True if _blank_is_absent(value) is None else value


def _refuse_bool(value: Any) -> Any:
    """Refuse a bool, which Python counts as an int."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def blank_is_false(value: Any) -> Any:
    """Return False for a blank value."""
    return False if _blank_is_absent(value) is None else value


def _normalize_word(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _jpg_is_jpeg(value: Any) -> Any:
    return "jpeg" if value == "jpg" else value


def _checked_words(value: str | None) -> str | None:
    split_words(value or "")
    return value


def parse_list(value: Any) -> Any:
    """Return a list; some hosts send one as a string of JSON, or its only member without brackets."""
    if not isinstance(value, str):
        return [] if value is None else value
    text = value.strip()
    if text.startswith("["):
        try:
            return from_json(text)
        except ValueError:
            return [text]
    return [text] if text else []


def parse_pairs(value: Any) -> Any:
    """Return a list of NAME=VALUE; models also send an object, or one as a string of JSON."""
    given = from_json(value) if isinstance(value, str) and value.strip().startswith("{") else value
    if not isinstance(given, dict):
        return parse_list(given)
    found = cast("dict[str, Any]", given)
    return [f"{name}={each if isinstance(each, str) else json.dumps(each)}" for name, each in found.items()]


Blank = BeforeValidator(_blank_is_absent)
Number = BeforeValidator(_refuse_bool)
Word = BeforeValidator(_normalize_word)
Switch = BeforeValidator(blank_is_false)

Prompt = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_PROMPT_CHARACTERS,
        description="What the image shows: subject, setting, style, light, lettering.",
    ),
]
ModelName = Annotated[
    Annotated[str, Field(max_length=100)] | None,
    Blank,
    Field(
        description="A model, vendor or vendor/model, if the user named one.",
    ),
]
Models = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=100)]],
    BeforeValidator(parse_list),
    Field(max_length=6, description="Several models to compare, in place of model."),
]
Count = Annotated[
    Annotated[int, Field(ge=1, le=MAX_COUNT)],
    Number,
    BeforeValidator(_blank_is_one),
    Field(description="How many images; each one is paid for."),
]
Size = Annotated[
    Annotated[str, Field(max_length=40)] | None,
    Blank,
    Word,
    Field(
        description="1536x1024 (pixels) or auto; not with aspect_ratio.",
    ),
]
AspectRatio = Annotated[
    Annotated[str, Field(max_length=20)] | None,
    Blank,
    Field(description="Such as 16:9, in place of size."),
]
Resolution = Annotated[
    Annotated[str, Field(max_length=20)] | None,
    Blank,
    Word,
    Field(description="1k, 2k or 4k."),
]
Quality = Annotated[
    Annotated[str, Field(max_length=40)] | None,
    Blank,
    Word,
    Field(
        description="auto, low, medium, high; some xhigh, max.",
    ),
]
Style = Annotated[
    Annotated[str, Field(max_length=60)] | None,
    Blank,
    Word,
    Field(description="A preset of the model, or a style of the library (list_models)."),
]
Background = Annotated[
    Literal["auto", "opaque", "transparent"] | None,
    Blank,
    Word,
    Field(description="transparent needs output_format png or webp."),
]
OutputFormat = Annotated[
    Literal["png", "jpeg", "webp"] | None,
    Blank,
    BeforeValidator(_jpg_is_jpeg),
    Word,
    Field(description="Mostly png when left out."),
]
OutputCompression = Annotated[
    Annotated[int, Field(ge=0, le=100)] | None,
    Blank,
    Number,
    Field(description="Quality of a jpeg or webp, 0 to 100. Needs output_format."),
]
NegativePrompt = Annotated[
    Annotated[str, Field(max_length=10_000)] | None,
    Blank,
    Field(description="What must not appear, for models that take it; others refuse it."),
]
Seed = Annotated[
    Annotated[int, Field(ge=0, le=MAX_SEED)] | None,
    Blank,
    Number,
    Field(description="Random seed for a repeatable image, where the model has seeds."),
]
Options = Annotated[
    list[Annotated[str, Field(max_length=10_100)]],
    BeforeValidator(parse_pairs),
    Field(
        max_length=20,
        description="Rarer ones as NAME=VALUE: seed=7, negative_prompt=fog, output_compression=80, fallback=flux, and "
        "the model's own (see list_models with `vendor`).",
    ),
]
Save = Annotated[
    bool,
    BeforeValidator(_blank_is_true),
    Field(description="false returns the image in the answer instead of storing it; too large ones are stored."),
]

Deliver = Annotated[
    Annotated[str, Field(max_length=100)] | None,
    Blank,
    AfterValidator(_checked_words),
    Field(
        description="file (default), inline (whole in the answer, not stored) or both; with 1200x630 (crop or pad) or "
        "200kb also a resized copy.",
    ),
]
OutputPath = Annotated[
    Annotated[str, Field(max_length=4000)] | None,
    Blank,
    Field(description="Also write it to this file or folder; overwrite in `deliver` replaces a file."),
]
ConfirmCost = Annotated[
    bool,
    BeforeValidator(blank_is_false),
    Field(description="true once the user confirmed the cost that a refusal named."),
]
DeliverSize = Annotated[
    Annotated[str, Field(max_length=40)] | None,
    Blank,
    Word,
    Field(description="Exact WIDTHxHEIGHT (1200x630) of a copy stored beside the image; not sent to the model."),
]
DeliverFit = Annotated[
    Literal["crop", "pad"] | None,
    Blank,
    Word,
    Field(description="How the copy is fitted to deliver_size: crop (usual) or pad."),
]
DeliverMaxKb = Annotated[
    Annotated[int, Field(ge=MIN_KB, le=MAX_KB)] | None,
    Blank,
    Number,
    Field(description="Largest file size of the copy, in thousands of bytes."),
]
Fallback = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=100)]],
    BeforeValidator(parse_list),
    Field(
        max_length=5,
        description="Models to try in order when the vendor is down, or [none].",
    ),
]
