"""Parameters that tools share, described once. An empty string or null from a host that fills every field is absent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

LONGEST_PROMPT = 32_000  # characters: the most that any listed model takes
LARGEST_COUNT = 10
LARGEST_SEED = 2**32 - 1


def _blank_is_absent(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _no_truth(value: Any) -> Any:
    """`true` is not a number, though Python would have it so."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _jpg(value: Any) -> Any:
    return "jpeg" if value == "jpg" else value


Blank = BeforeValidator(_blank_is_absent)
Number = BeforeValidator(_no_truth)
Word = BeforeValidator(_lower)

Prompt = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_PROMPT,
        description="What the picture shows, in the user's words: subject, setting, style, light, any lettering.",
    ),
]
ModelName = Annotated[
    Annotated[str, Field(max_length=100)] | None,
    Blank,
    Field(
        description="A model (gpt-image-2.5-flare), a vendor (openai, sketch) for its default, or vendor/model. "
        "Leave out unless the user named one.",
    ),
]
Count = Annotated[
    Annotated[int, Field(ge=1, le=LARGEST_COUNT)],
    Number,
    Field(description="How many pictures; each one is paid for."),
]
Size = Annotated[
    Annotated[str, Field(max_length=40)] | None,
    Blank,
    Field(
        description="Pixels as WIDTHxHEIGHT (1536x1024), or auto. Not together with aspect_ratio.",
    ),
]
AspectRatio = Annotated[
    Annotated[str, Field(max_length=20)] | None,
    Blank,
    Field(description="Shape as WIDTH:HEIGHT, for example 16:9, 2:3 or 1:1, in place of size."),
]
Resolution = Annotated[
    Annotated[str, Field(max_length=20)] | None,
    Blank,
    Word,
    Field(description="Tier: 1k, 2k or 4k, alone or with aspect_ratio."),
]
Quality = Annotated[
    Annotated[str, Field(max_length=40)] | None,
    Blank,
    Word,
    Field(
        description="Quality word of the model: auto, low, medium, high; some have xhigh and max.",
    ),
]
Style = Annotated[
    Annotated[str, Field(max_length=60)] | None,
    Blank,
    Word,
    Field(description="Style preset of a model that has them; else say it in the prompt."),
]
Background = Annotated[
    Literal["auto", "opaque", "transparent"] | None,
    Blank,
    Word,
    Field(description="Background of the picture; transparent needs output_format png or webp."),
]
OutputFormat = Annotated[
    Literal["png", "jpeg", "webp"] | None,
    Blank,
    BeforeValidator(_jpg),
    Word,
    Field(description="File format; the model's own default when left out, mostly png."),
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
    Annotated[int, Field(ge=0, le=LARGEST_SEED)] | None,
    Blank,
    Number,
    Field(description="Fixes the chance for a repeatable picture, where the model has seeds."),
]
Save = Annotated[
    bool,
    Field(description="false hands the picture over in the answer instead of storing it; too large ones are stored."),
]
