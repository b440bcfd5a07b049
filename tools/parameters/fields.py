"""The parameters that tools share, described once.

Empty strings and null count as absent, since some hosts fill in every field.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from atelier.providers.core.sizes import MAX_KB, MIN_KB
from atelier.tools.parameters.arguments import (
    blank_is,
    jpg_is_jpeg,
    normalize_word,
    parse_list,
    parse_pairs,
    refuse_bool,
)
from atelier.tools.parameters.delivery import checked_words

MAX_PROMPT_CHARACTERS = 32_000  # the limit of the model that takes the longest prompt
MAX_COUNT = 10
MAX_SEED = 2**32 - 1

Blank = blank_is(None)
Number = BeforeValidator(refuse_bool)
Word = BeforeValidator(normalize_word)
Switch = blank_is(False)

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
    blank_is(1),
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
    BeforeValidator(jpg_is_jpeg),
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
    blank_is(True),
    Field(description="false returns the image in the answer instead of storing it; too large ones are stored."),
]

Deliver = Annotated[
    Annotated[str, Field(max_length=100)] | None,
    Blank,
    AfterValidator(checked_words),
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
    Switch,
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
