"""The parameters of the tools, as models that validate them. Imports nothing of what the tools do."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from atelier.providers.core.types import Operation
from atelier.tools.parameters import edit_fields, fields
from atelier.tools.parameters.arguments import RARE, check_option_names, move_rare_options


class Parameters(BaseModel):
    """Base of a tool's parameters. An unknown argument is refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class ImageParameters(Parameters):
    """The parameters of every image call, except the prompt."""

    model: fields.ModelName = None
    n: fields.Count = 1
    size: fields.Size = None
    aspect_ratio: fields.AspectRatio = None
    resolution: fields.Resolution = None
    quality: fields.Quality = None
    style: fields.Style = None
    background: fields.Background = None
    output_format: fields.OutputFormat = None
    output_compression: fields.OutputCompression = None
    negative_prompt: fields.NegativePrompt = None
    seed: fields.Seed = None
    options: fields.Options = []
    deliver: fields.Deliver = None
    output_path: fields.OutputPath = None
    save: fields.Save = True
    deliver_size: fields.DeliverSize = None
    deliver_fit: fields.DeliverFit = None
    deliver_max_kb: fields.DeliverMaxKb = None
    confirm_cost: fields.ConfirmCost = False
    fallback: fields.Fallback = []

    _move_rare_options = model_validator(mode="before")(move_rare_options)
    _check_option_names = field_validator("options")(check_option_names)


UNLISTED = RARE | {"save", "deliver_size", "deliver_fit", "deliver_max_kb"}
"""Parameters that models do not see: those of `options`, and those that `deliver` has words for."""


class GenerateImage(ImageParameters):
    """The parameters of generate_image."""

    prompt: fields.Prompt
    models: fields.Models = []


class EditOptions(ImageParameters):
    """The options of an edit, beside those of every image call."""

    strength: edit_fields.Strength = None
    search: edit_fields.Search = None
    left: edit_fields.Side = None
    right: edit_fields.Side = None
    top: edit_fields.Side = None
    bottom: edit_fields.Side = None


class EditParameters(EditOptions):
    """The parameters that edit_image and estimate_cost share."""

    images: edit_fields.Images = []
    mask: edit_fields.Mask = None


class EditImage(EditParameters):
    """The parameters of edit_image."""

    image: edit_fields.Image
    prompt: edit_fields.EditPrompt = None
    operation: edit_fields.EditOperation = None


class EstimateCost(EditParameters):
    """The parameters of generate_image and edit_image; each is optional."""

    prompt: edit_fields.EditPrompt = None
    image: edit_fields.PricedImage = None
    operation: edit_fields.PricedOperation = None
    compare: edit_fields.Compare = False


class ListModels(Parameters):
    """The parameters of list_models."""

    operation: Annotated[
        Operation | None, fields.Blank, fields.Word, Field(description="Only models that can do this.")
    ] = None
    vendor: Annotated[
        Annotated[str, Field(max_length=40)] | None,
        fields.Blank,
        fields.Word,
        Field(description="Only this vendor, such as openai."),
    ] = None
    word: Annotated[
        Annotated[str, Field(max_length=60)] | None,
        fields.Blank,
        Field(description="Only models with this in a name, operation, option or style."),
    ] = None
