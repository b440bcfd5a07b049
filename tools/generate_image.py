"""The tool generate_image: make pictures from a prompt."""

from __future__ import annotations

from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.tools.image_call import UNLISTED, ImageParameters, replay, request_fields, submit
from atelier.tools.parameters import fields
from atelier.tools.tool import Answer, Call, Tool

DESCRIPTION = """\
Make images from words: photos, illustrations, logos, icons, posters, diagrams, drafts. \
Returns a small preview, where the full file is, and what it cost. \
Put everything about the image into `prompt`; leave out what the user did not ask for. \
What a model cannot do is refused by name before anything is billed. \
Each image may cost money: do not repeat a call that succeeded. Takes 5 to 60 seconds."""


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
    run=run,
    unlisted=UNLISTED,
)
