"""The schemas of api.bfl.ai, model by model; used by its emulator."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from atelier.providers.testing.emulators.flux_rules import (
    RESOLUTION_PIXELS,
    Edge1,
    Edge2,
    Format,
    Named,
    Picture,
    Ratio,
    Reference,
    Side,
)
from atelier.providers.testing.images import opened


class Inputs(BaseModel):
    """What every schema before FLUX 3 has. An unknown field is dropped."""

    seed: int | None = None
    safety_tolerance: int = Field(2, ge=0, le=6)
    output_format: Format | None = "jpeg"

    @property
    def size(self) -> tuple[int, int]:
        """The picture that comes of it, in pixels."""
        return 1024, 1024


class Prompted(Inputs):
    prompt: str | None = None
    prompt_upsampling: bool = False


class Flux1(Prompted):
    image_prompt: Picture | None = None
    width: Edge1 = 1024
    height: Edge1 = 768

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height


class Dev(Flux1):
    steps: int = Field(28, ge=1, le=50)
    guidance: float = Field(3, ge=1.5, le=5)


class Ultra(Prompted):
    aspect_ratio: Ratio = "16:9"
    raw: bool = False
    image_prompt: Picture | None = None
    image_prompt_strength: float = Field(0.1, ge=0, le=1)


class Kontext(Prompted):
    prompt: str | None = Field()
    input_image: Picture | None = None
    input_image_2: Picture | None = None
    input_image_3: Picture | None = None
    input_image_4: Picture | None = None
    aspect_ratio: Ratio | None = None
    output_format: Format | None = "png"


class Klein(Inputs):
    prompt: str
    input_image: Picture | None = None
    input_image_2: Picture | None = None
    input_image_3: Picture | None = None
    input_image_4: Picture | None = None
    safety_tolerance: int = Field(2, ge=0, le=5)
    width: Edge2 = 0
    height: Edge2 = 0

    @property
    def size(self) -> tuple[int, int]:
        return self.width or 1024, self.height or 1024

    @model_validator(mode="after")
    def fits(self) -> Self:
        """4 megapixels."""
        if self.width * self.height > 4 * 2**20:
            raise ValueError("width x height must not exceed 4 megapixels")
        return self


class Flux2(Klein):
    disable_pup: bool = False
    input_image_5: Picture | None = None
    input_image_6: Picture | None = None
    input_image_7: Picture | None = None
    input_image_8: Picture | None = None


class Flex(Flux2):
    prompt_upsampling: bool = True
    steps: int = Field(50, ge=1, le=50)
    guidance: float = Field(5, ge=1.5, le=10)


class Flux3(BaseModel):
    """Strict; klein has no `grounding` and no `version` as far as is known."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1)
    images: Annotated[list[Reference], Field(min_length=1, max_length=10)] | None = None
    aspect_ratio: Named = "auto"
    resolution: Literal["768sq", "1k", "1.5k", "2k", "4k"] = "1k"
    safety_tolerance: int = Field(2, ge=0, le=4)

    @property
    def size(self) -> tuple[int, int]:
        """The tier's pixels in the ratio, `auto` being square here."""
        width, height = map(int, ("1:1" if self.aspect_ratio == "auto" else self.aspect_ratio).split(":"))
        unit = RESOLUTION_PIXELS[self.resolution] / (width * height) ** 0.5
        return round(width * unit), round(height * unit)


class Grounded(Flux3):
    grounding: bool = True
    version: Literal["latest"] = "latest"


class Sampled(Prompted):
    steps: int = Field(50, ge=15, le=50)
    guidance: float = Field(60, ge=1.5, le=100)


class Fill(Sampled):
    image: Picture
    mask: Picture | None = None

    @property
    def size(self) -> tuple[int, int]:
        return opened(self.image).size

    @model_validator(mode="after")
    def same_size(self) -> Self:
        """The mask lies on the image."""
        if self.mask and opened(self.mask).size != self.size:
            raise ValueError("the mask must have the size of the image")
        return self


class Expand(Sampled):
    image: Picture
    left: Side = 0
    right: Side = 0
    top: Side = 0
    bottom: Side = 0

    @property
    def size(self) -> tuple[int, int]:
        width, height = opened(self.image).size
        return width + self.left + self.right, height + self.top + self.bottom


class Control(Sampled):
    prompt: str | None = Field()
    control_image: Picture | None = None


class Erase(Inputs):
    image: Picture
    mask: Picture
    dilate_pixels: int = Field(10, ge=0, le=25)
    safety_tolerance: int = Field(2, ge=0, le=5)
    output_format: Format | None = "png"

    @property
    def size(self) -> tuple[int, int]:
        return opened(self.image).size


class Outpainting(BaseModel):
    """Strict; has neither seed nor webhook."""

    model_config = ConfigDict(extra="forbid")

    input_image: Picture
    width: int = Field(ge=64)
    height: int = Field(ge=64)
    prompt: str | None = None
    reference_offset_x: int | None = None
    reference_offset_y: int | None = None
    mode: Literal["high", "fast"] = "high"
    auto_crop: bool = False
    disable_pup: bool = False
    safety_tolerance: int = Field(2, ge=0, le=5)
    output_format: Format | None = "png"

    @property
    def size(self) -> tuple[int, int]:
        """The canvas."""
        return self.width, self.height

    @model_validator(mode="after")
    def lies_within(self) -> Self:
        """The image lies on the canvas."""
        width, height = opened(self.input_image).size
        left, top = self.reference_offset_x or 0, self.reference_offset_y or 0
        if min(left, top) < 0 or left + width > self.width or top + height > self.height:
            raise ValueError("the image does not lie within the canvas")
        return self


Schema = type[Inputs] | type[Flux3] | type[Outpainting]

MODELS: dict[str, tuple[Schema, float]] = {
    "flux-2-pro": (Flux2, 3.0),
    "flux-2-pro-preview": (Flux2, 3.0),
    "flux-2-max": (Flux2, 7.0),
    "flux-2-flex": (Flex, 5.0),
    "flux-2-klein-9b": (Klein, 1.5),
    "flux-2-klein-9b-preview": (Klein, 1.5),
    "flux-2-klein-4b": (Klein, 1.4),
    "flux-3-image": (Grounded, 4.8),
    "flux-3-image-klein": (Flux3, 0.9),
    "flux-kontext-pro": (Kontext, 4.0),
    "flux-kontext-max": (Kontext, 8.0),
    "flux-pro-1.1": (Flux1, 4.0),
    "flux-pro-1.1-ultra": (Ultra, 6.0),
    "flux-dev": (Dev, 2.5),
    "flux-pro": (Flux1, 5.0),
    "flux-pro-1.0-fill": (Fill, 5.0),
    "flux-pro-1.0-expand": (Expand, 5.0),
    "flux-pro-1.0-canny": (Control, 5.0),
    "flux-pro-1.0-depth": (Control, 5.0),
    "flux-tools/erase-v1": (Erase, 3.0),
    "flux-tools/outpainting-v1": (Outpainting, 5.0),
}
"""Schema and price in credits of a small picture."""
