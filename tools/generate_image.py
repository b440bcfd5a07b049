"""generate_image: words in, pictures out."""

from __future__ import annotations

from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.tools.image_answer import Drawn
from atelier.tools.image_call import Drawing, asked_for, draw, drawn_before
from atelier.tools.parameters import fields
from atelier.tools.tool import Answer, Call, Tool

DESCRIPTION = """\
Make one or more pictures from words: photos, illustrations, logos, icons, posters, diagrams, drafts. \
Returns a small preview, where the full file is, and what it cost. \
Put everything about the picture into `prompt`; leave out every other parameter that the user did not ask for, \
since absent means the model's own default. \
An option that the chosen model cannot honour is refused by name before anything is sent or billed; \
drop it or pick a model that offers it. \
Each picture may cost money: do not repeat a call that succeeded unless the user wants another picture. \
Takes 5 to 60 seconds."""


class GenerateImage(Drawing):
    """What may be said about a new picture."""

    prompt: fields.Prompt


def request_of(asked: GenerateImage) -> ImageRequest:
    """The caller's parameters in the library's nouns."""
    return ImageRequest(prompt=asked.prompt, **asked_for(asked))


async def run(asked: GenerateImage, service: ImageService, call: Call) -> Answer:
    """Words in, pictures out."""
    return await drawn_before(asked, service, call) or await draw(request_of(asked), asked, service, call)


TOOL = Tool(
    name="generate_image",
    title="Generate an image",
    description=DESCRIPTION,
    kind="draws",
    parameters=GenerateImage,
    output=Drawn,
    run=run,
)
