"""The endpoints of api.stability.ai as the vendor's OpenAPI document of 2026 has them, and what each one refuses."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image

from atelier.providers.testing.server import Answer, RefusedError, dashed

RATIOS = {"21:9", "16:9", "3:2", "5:4", "1:1", "4:5", "2:3", "9:16", "9:21"}
STYLES = {
    "3d-model", "analog-film", "anime", "cinematic", "comic-book", "digital-art", "enhance", "fantasy-art",
    "isometric", "line-art", "low-poly", "modeling-compound", "neon-punk", "origami", "photographic", "pixel-art",
    "tile-texture",
}  # fmt: skip
MODELS = {
    "sd3.5-large": 6.5, "sd3.5-large-turbo": 4, "sd3.5-medium": 3.5, "sd3.5-flash": 2.5,
    "sd3-large": 6.5, "sd3-large-turbo": 4, "sd3-medium": 3.5,
}  # fmt: skip
"""Credits by model of the sd3 endpoint; the last three are served by their 3.5 namesakes."""


def trouble(status: int, name: str, *errors: str, **headers: str) -> Answer:
    """The vendor's error body; usable as a scripted fault as well."""
    body = {"id": "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4", "name": name, "errors": list(errors)}
    return Answer(status, body, dashed(headers))


def refuse(*errors: str) -> RefusedError:
    """A 400."""
    return RefusedError(trouble(400, "bad_request", *errors))


Check = Callable[[str, str], None]
"""Field's name and text -> nothing, or a refusal."""


def words(minimum: int = 1) -> Check:
    def check(name: str, value: str) -> None:
        if not minimum <= len(value) <= 10_000:
            raise refuse(f"{name}: must be between {minimum} and 10000 characters")

    return check


def number(low: float, high: float, kind: type[int] | type[float] = float) -> Check:
    def check(name: str, value: str) -> None:
        try:
            inside = low <= kind(value) <= high
        except ValueError:
            inside = False
        if not inside:
            raise refuse(f"{name}: must be a number between {low} and {high}")

    return check


def one_of(values: set[str]) -> Check:
    def check(name: str, value: str) -> None:
        if value not in values:
            raise refuse(f"{name}: must be one of {', '.join(sorted(values))}")

    return check


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture on its way in has to keep to. Pixels; `ratio` is long edge over short."""

    edges: tuple[int, int] = (64, 16_384)
    pixels: tuple[int, int] = (4_096, 9_437_184)
    ratio: float = 16_384.0


ANY = Limits(pixels=(4_096, 2**28))
WIDE = Limits()
BALANCED = Limits(ratio=2.5)
SMALL = Limits(pixels=(4_096, 1_048_576))

SEEDS = {"seed": number(0, 4_294_967_294, int)}
FORMATS = {"output_format": one_of({"png", "jpeg", "webp"})}
STYLE = {"style_preset": one_of(STYLES)}
SHAPE = {"aspect_ratio": one_of(RATIOS)}
NEGATIVE = {"negative_prompt": words(0)}
PROMPT = {"prompt": words()}
UNIT = number(0, 1)
BASIC = {**PROMPT, **NEGATIVE, **SEEDS, **FORMATS}
PIXELS = number(0, 2_000, int)


@dataclass(frozen=True, slots=True)
class Tool:
    """An endpoint: its price, its text fields, what it requires, its files, and whether it answers later."""

    credits: float
    fields: dict[str, Check]
    needs: tuple[str, ...] = ("prompt",)
    files: dict[str, Limits] = field(default_factory=dict[str, Limits])
    later: bool = False


def edit(credits: float, fields: dict[str, Check], *needs: str, limits: Limits = WIDE, later: bool = False) -> Tool:
    """An endpoint that takes one picture."""
    return Tool(credits, fields, ("image", *needs), {"image": limits}, later)


def masked(credits: float, fields: dict[str, Check], *needs: str) -> Tool:
    """An endpoint that takes a picture and a mask, or finds the mask in the picture's transparency."""
    return Tool(credits, fields, ("image", *needs), {"image": WIDE, "mask": WIDE})


def grow(maximum: int) -> dict[str, Check]:
    return {"grow_mask": number(0, maximum, int)}


RELIGHT = {
    "background_prompt": words(0),
    "foreground_prompt": words(0),
    "preserve_original_subject": UNIT,
    "original_background_depth": UNIT,
    "keep_original_background": one_of({"true", "false"}),
    "light_source_direction": one_of({"left", "right", "above", "below"}),
    "light_source_strength": UNIT,
    **NEGATIVE,
    **SEEDS,
    **FORMATS,
}

TOOLS: dict[str, Tool] = {
    "generate/core": Tool(3, {**BASIC, **SHAPE, **STYLE}),
    "generate/ultra": Tool(8, {**BASIC, **SHAPE, **STYLE, "strength": UNIT}, files={"image": ANY}),
    "generate/sd3": Tool(
        6.5,
        {
            **BASIC, **SHAPE, **STYLE, "strength": UNIT, "cfg_scale": number(1, 10), "model": one_of(set(MODELS)),
            "mode": one_of({"text-to-image", "image-to-image"}), "output_format": one_of({"png", "jpeg"}),
        },
        files={"image": ANY},
    ),
    "edit/inpaint": masked(5, {**BASIC, **STYLE, **grow(100)}, "prompt"),
    "edit/erase": masked(5, {**SEEDS, **FORMATS, **grow(20)}),
    "edit/outpaint": edit(
        4,
        {
            "prompt": words(0), **SEEDS, **FORMATS, **STYLE, "creativity": UNIT,
            "left": PIXELS, "right": PIXELS, "up": PIXELS, "down": PIXELS,
        },
        limits=BALANCED,
    ),
    "edit/search-and-replace": edit(
        5, {**BASIC, **STYLE, **grow(20), "search_prompt": words()}, "prompt", "search_prompt", limits=BALANCED
    ),
    "edit/search-and-recolor": edit(
        5, {**BASIC, **STYLE, **grow(20), "select_prompt": words()}, "prompt", "select_prompt", limits=BALANCED
    ),
    "edit/remove-background": edit(
        5, {"output_format": one_of({"png", "webp"})}, limits=Limits(pixels=(4_096, 4_194_304))
    ),
    "edit/replace-background-and-relight": Tool(
        8, RELIGHT, ("subject_image",),
        {"subject_image": BALANCED, "background_reference": WIDE, "light_reference": WIDE}, later=True,
    ),
    "control/sketch": edit(5, {**BASIC, **STYLE, "control_strength": UNIT}, "prompt", limits=BALANCED),
    "control/structure": edit(5, {**BASIC, **STYLE, "control_strength": UNIT}, "prompt", limits=BALANCED),
    "control/style": edit(5, {**BASIC, **STYLE, **SHAPE, "fidelity": UNIT}, "prompt", limits=BALANCED),
    "upscale/fast": edit(2, FORMATS, limits=Limits((32, 1_536), (1_024, 1_048_576))),
    "upscale/conservative": edit(40, {**BASIC, "creativity": number(0.2, 0.5)}, "prompt", limits=BALANCED),
    "upscale/creative": edit(
        60, {**BASIC, **STYLE, "creativity": number(0.1, 0.5)}, "prompt", limits=SMALL, later=True
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """A request's parts, once it was understood."""

    tool: str
    fields: dict[str, str]
    files: dict[str, bytes]


def check(form: Form, tool: Tool) -> None:
    """Every rule that the vendor holds an endpoint to."""
    missing = [f"{name}: is required" for name in tool.needs if name not in {**form.fields, **form.files}]
    if missing:
        raise refuse(*missing)
    for name, value in form.fields.items():
        if name in tool.files:
            raise refuse(f"{name}: must be a file")
        if name in tool.fields:
            tool.fields[name](name, value)
    for name, data in form.files.items():
        if name in tool.fields:
            raise refuse(f"{name}: must not be a file")
        if name in tool.files:
            check_picture(name, data, tool.files[name])
    check_together(form)


def check_picture(name: str, data: bytes, limits: Limits) -> None:
    """Format and size of a picture on its way in."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            format, (width, height) = image.format, image.size
    except OSError:
        raise refuse(f"{name}: is not an image") from None
    if format not in ("JPEG", "PNG", "WEBP"):
        raise refuse(f"{name}: must be a jpeg, png or webp")
    if min(width, height) < limits.edges[0] or max(width, height) > limits.edges[1]:
        raise refuse(f"{name}: every side must be between {limits.edges[0]} and {limits.edges[1]} pixels")
    if not limits.pixels[0] <= width * height <= limits.pixels[1]:
        raise refuse(f"{name}: total pixel count must be between {limits.pixels[0]} and {limits.pixels[1]}")
    if max(width, height) > limits.ratio * min(width, height):
        raise refuse(f"{name}: the aspect ratio must be between 1:2.5 and 2.5:1")


def check_together(form: Form) -> None:
    """What goes together and what does not."""
    fields, files = form.fields, form.files
    match form.tool:
        case "generate/ultra":
            if ("image" in files) != ("strength" in fields):
                raise refuse("strength: is required when image is provided, and only then")
        case "generate/sd3":
            drawing = fields.get("mode") == "image-to-image"
            if drawing and not ("image" in files and "strength" in fields):
                raise refuse("mode: image-to-image requires image and strength")
            if drawing and "aspect_ratio" in fields:
                raise refuse("aspect_ratio: is only valid for text-to-image requests")
            if not drawing and ("image" in files or "strength" in fields):
                raise refuse("image: is only valid for image-to-image requests")
        case "edit/outpaint":
            if not any(int(fields.get(side, "0")) for side in ("left", "right", "up", "down")):
                raise refuse("at least one outpainting direction must be supplied with a non-zero value")
        case "edit/replace-background-and-relight":
            if not ("background_prompt" in fields or "background_reference" in files):
                raise refuse("background_prompt: either it or background_reference must be provided")
            if "light_source_strength" in fields and not (
                "light_source_direction" in fields or "light_reference" in files
            ):
                raise refuse("light_source_strength: requires light_reference or light_source_direction")
        case _:
            pass
