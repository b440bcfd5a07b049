"""What the tools that draw have in common: their parameters, what those ask of the library, and the answer."""

from __future__ import annotations

from typing import Any

from atelier.providers.core.delivery import wish
from atelier.providers.core.types import ImageRequest, Tell
from atelier.providers.pipeline import Pipeline
from atelier.tools import fields
from atelier.tools.drawn import told
from atelier.tools.tool import ANSWER_BUDGET, Answer, Parameters


class Drawing(Parameters):
    """What may be said about a picture that is to be made, besides what it shows."""

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
    save: fields.Save = True
    deliver_size: fields.DeliverSize = None
    deliver_fit: fields.DeliverFit = None
    deliver_max_kb: fields.DeliverMaxKb = None


NAMES = {"n": "count", "output_compression": "compression"}
"""Parameters that the library calls otherwise."""


OURS = ("save", "deliver_size", "deliver_fit", "deliver_max_kb")
"""Parameters that are not the vendor's business."""


def asked_for(asked: Drawing) -> dict[str, Any]:
    """The common parameters as fields of an ImageRequest. Raises invalid_request for a copy that cannot be."""
    theirs = {NAMES.get(name, name): getattr(asked, name) for name in Drawing.model_fields if name not in OURS}
    return {**theirs, "deliver": wish(asked.deliver_size, asked.deliver_fit, asked.deliver_max_kb)}


async def draw(request: ImageRequest, asked: Drawing, pipeline: Pipeline, tell: Tell) -> Answer:
    """Ask the pipeline; tell what came of it."""
    return told(await pipeline.run(request, in_hand=0 if asked.save else ANSWER_BUDGET, tell=tell))
