"""The tool generate_image: make pictures from a prompt."""

from __future__ import annotations

from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.tools.image_answer import ImageOutput
from atelier.tools.image_call import ImageParameters, replay, request_fields, submit
from atelier.tools.parameters import fields
from atelier.tools.tool import Answer, Call, Tool

DESCRIPTION = """\
Make one or more images from words: photos, illustrations, logos, icons, posters, diagrams, drafts. \
Returns a small preview, where the full file is, and what it cost. \
Put everything about the image into `prompt`; leave out every other parameter that the user did not ask for, \
since absent means the model's own default. \
An option that the chosen model cannot honour is refused by name before anything is sent or billed; \
drop it or pick a model that offers it. \
Each image may cost money: do not repeat a call that succeeded unless the user wants another image. \
Takes 5 to 60 seconds."""


class GenerateImage(ImageParameters):
    """The parameters of generate_image."""

    prompt: fields.Prompt


def request_of(params: GenerateImage) -> ImageRequest:
    """Build the request of the parameters."""
    return ImageRequest(prompt=params.prompt, **request_fields(params))


async def run(params: GenerateImage, service: ImageService, call: Call) -> Answer:
    """Make the pictures, or return the result of the same call."""
    return await replay(params, service, call) or await submit(request_of(params), params, service, call)


TOOL = Tool(
    name="generate_image",
    title="Generate an image",
    description=DESCRIPTION,
    kind="creates",
    parameters=GenerateImage,
    output=ImageOutput,
    run=run,
)
