"""The parameters of the tools, as models that validate them. Imports nothing of what the tools do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from atelier.tools.parameters import edit_fields, fields, list_fields
from atelier.tools.parameters.option_parsing import move_options, parse_options, refuse_parameters


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

    @model_validator(mode="before")
    @classmethod
    def _rare_parameters_may_be_options(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return move_options(given, RARE & cls.model_fields.keys())

    @field_validator("options")
    @classmethod
    def _options_are_named(cls, value: list[str]) -> list[str]:
        refuse_parameters(parse_options(value), cls.model_fields)
        return value


RARE = frozenset({
    "seed", "negative_prompt", "output_compression", "fallback", "strength", "search", "left", "right", "top", "bottom",
})  # fmt: skip
"""Parameters that `options` takes as NAME=VALUE, too: models see them named there."""

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

    operation: list_fields.OperationFilter = None
    vendor: list_fields.VendorFilter = None
    word: list_fields.WordFilter = None
