"""generate_image: words in, pictures out."""

from __future__ import annotations

from atelier.providers.core.types import ImageRequest, Tell
from atelier.providers.pipeline import Pipeline
from atelier.tools import fields
from atelier.tools.drawn import Drawn, told
from atelier.tools.tool import ANSWER_BUDGET, Answer, Parameters, Tool

DESCRIPTION = """\
Make one or more pictures from words: photos, illustrations, logos, icons, posters, diagrams, drafts. \
Returns a small preview, where the full file is, and what it cost. \
Put everything about the picture into `prompt`; leave out every other parameter that the user did not ask for, \
since absent means the model's own default. \
An option that the chosen model cannot honour is refused by name before anything is sent or billed; \
drop it or pick a model that offers it. \
Each picture may cost money: do not repeat a call that succeeded unless the user wants another picture. \
Takes 5 to 60 seconds."""


class GenerateImage(Parameters):
    """What may be said about a new picture."""

    prompt: fields.Prompt
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


async def request_of(asked: GenerateImage, pipeline: Pipeline) -> ImageRequest:
    """The caller's parameters in the library's nouns; nothing has to be read for it."""
    return ImageRequest(
        prompt=asked.prompt,
        model=asked.model,
        count=asked.n,
        size=asked.size,
        aspect_ratio=asked.aspect_ratio,
        resolution=asked.resolution,
        quality=asked.quality,
        style=asked.style,
        background=asked.background,
        output_format=asked.output_format,
        compression=asked.output_compression,
        negative_prompt=asked.negative_prompt,
        seed=asked.seed,
    )


async def run(asked: GenerateImage, pipeline: Pipeline, tell: Tell) -> Answer:
    """Ask the pipeline; tell what came of it."""
    request = await request_of(asked, pipeline)
    return told(await pipeline.run(request, in_hand=0 if asked.save else ANSWER_BUDGET, tell=tell))


TOOL = Tool(
    name="generate_image",
    title="Generate an image",
    description=DESCRIPTION,
    kind="draws",
    parameters=GenerateImage,
    output=Drawn,
    run=run,
)
