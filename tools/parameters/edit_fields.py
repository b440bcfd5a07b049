"""The parameters of edit_image and estimate_cost; those of every image call are in `fields`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from atelier.tools.parameters.arguments import parse_list
from atelier.tools.parameters.fields import MAX_PROMPT_CHARACTERS, Blank, Number, Switch, Word

MAX_SIDE_PIXELS = 2_000  # that outpaint can add on one side; vendors take up to 2,048

MAX_SOURCE_CHARACTERS = 1_500_000_000
"""1000 MB as lines of base64: the upper bound of ATELIER_SOURCE_MAX_MB, which limits the decoded picture."""

SOURCE = "an asset id (img_...), last, a public https address, or a path in an allowed folder"

Image = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_SOURCE_CHARACTERS,
        description=f"The image to change: {SOURCE}. An image pasted into the chat cannot reach tools.",
    ),
]
Images = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_SOURCE_CHARACTERS)]],
    BeforeValidator(parse_list),
    Field(max_length=15, description="Further images as references, named like `image`."),
]
Mask = Annotated[
    Annotated[str, Field(max_length=MAX_SOURCE_CHARACTERS)] | None,
    Blank,
    Field(description="An image of the same size; transparent or white parts change."),
]
EditOperation = Annotated[
    Literal[
        "edit", "inpaint", "outpaint", "erase", "remove_background", "replace_background", "search_replace",
        "recolor", "upscale", "variation",
    ]
    | None,
    Blank,
    Word,
    Field(
        description="edit by default, inpaint with a mask. In options: left, right, top, bottom (pixels) for outpaint, "
        "search=WORDS for search_replace and recolor, strength=0 to 1."
    ),
]  # fmt: skip
EditPrompt = Annotated[
    Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)] | None,
    Blank,
    Field(description="What to change; not needed to erase, upscale or remove the background."),
]
Strength = Annotated[
    Annotated[float, Field(ge=0, le=1)] | None,
    Blank,
    Number,
    Field(description="How far from the image: 0 keeps it, 1 ignores it; where the model takes it."),
]
Search = Annotated[
    Annotated[str, Field(max_length=10_000)] | None,
    Blank,
    Field(description="What to find in the image, for search_replace and recolor."),
]
Side = Annotated[
    Annotated[int, Field(ge=0, le=MAX_SIDE_PIXELS)] | None,
    Blank,
    Number,
    Field(description="Pixels to add on this side, for outpaint."),
]

PricedImage = Annotated[
    Annotated[str, Field(max_length=MAX_SOURCE_CHARACTERS)] | None,
    Blank,
    Field(description="The image to change; one of 1024x1024 is assumed."),
]
PricedOperation = Annotated[
    Literal[
        "generate", "edit", "inpaint", "outpaint", "erase", "remove_background", "replace_background",
        "search_replace", "recolor", "upscale", "variation",
    ]
    | None,
    Blank,
    Word,
    Field(description="generate by default, edit with an image."),
]  # fmt: skip
Compare = Annotated[
    bool,
    Switch,
    Field(description="true prices every usable model, the cheapest first."),
]
