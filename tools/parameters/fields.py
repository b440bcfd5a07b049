"""Parameters that tools share, described once. An empty string or null from a host that fills every field is absent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import from_json

from atelier.providers.images.resize import MAX_KB, MIN_KB

LONGEST_PROMPT = 32_000  # characters: the most that any listed model takes
LARGEST_COUNT = 10
LARGEST_SEED = 2**32 - 1


def _blank_is_absent(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _one(value: Any) -> Any:
    return 1 if _blank_is_absent(value) is None else value


def _yes(value: Any) -> Any:
    return True if _blank_is_absent(value) is None else value


def _no_truth(value: Any) -> Any:
    """`true` is not a number, though Python would have it so."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def false_unless_said(value: Any) -> Any:
    """A switch that a host left empty is off."""
    return False if _blank_is_absent(value) is None else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _jpg(value: Any) -> Any:
    return "jpeg" if value == "jpg" else value


def listed(value: Any) -> Any:
    """Some hosts write a list as a string of JSON, or one member without the brackets."""
    if not isinstance(value, str):
        return [] if value is None else value
    text = value.strip()
    if text.startswith("["):
        try:
            return from_json(text)
        except ValueError:
            return [text]
    return [text] if text else []


Blank = BeforeValidator(_blank_is_absent)
Number = BeforeValidator(_no_truth)
Word = BeforeValidator(_lower)
Switch = BeforeValidator(false_unless_said)

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
    BeforeValidator(_one),
    Field(description="How many pictures; each one is paid for."),
]
Size = Annotated[
    Annotated[str, Field(max_length=40)] | None,
    Blank,
    Word,
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
Options = Annotated[
    list[Annotated[str, Field(max_length=10_100)]],
    BeforeValidator(listed),
    Field(
        max_length=20,
        description="Rarer options of the chosen model, each as NAME=VALUE: partial_images=2, thinking_level=high. "
        "list_models with `vendor` tells them.",
    ),
]
Save = Annotated[
    bool,
    BeforeValidator(_yes),
    Field(description="false hands the picture over in the answer instead of storing it; too large ones are stored."),
]

ConfirmCost = Annotated[
    bool,
    BeforeValidator(false_unless_said),
    Field(description="true only once the user agreed to the cost that a refusal named."),
]
DeliverSize = Annotated[
    Annotated[str, Field(max_length=40)] | None,
    Blank,
    Word,
    Field(description="Exact WIDTHxHEIGHT (1200x630) of a copy kept beside the picture; not sent to the model."),
]
DeliverFit = Annotated[
    Literal["crop", "pad"] | None,
    Blank,
    Word,
    Field(description="How the copy comes to deliver_size: crop (usual) or pad."),
]
DeliverMaxKb = Annotated[
    Annotated[int, Field(ge=MIN_KB, le=MAX_KB)] | None,
    Blank,
    Number,
    Field(description="Largest file size of the copy, in thousands of bytes."),
]
Fallback = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=100)]],
    BeforeValidator(listed),
    Field(
        max_length=5,
        description="Models to move on to, in order, where the vendor is down, or [none].",
    ),
]
