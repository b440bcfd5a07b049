"""The tool generate_image: make pictures from a prompt."""

from __future__ import annotations

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.styles.apply import with_style
from atelier.providers.styles.library import FoundStyle, Styles
from atelier.tools.compare_models import compare_models
from atelier.tools.image_call import (
    answer_of,
    check_output_path,
    delivery_of,
    replay,
    request_fields,
    submission,
    written,
)
from atelier.tools.parameters.tool_parameters import UNLISTED, GenerateImage
from atelier.tools.tool import Answer, Call, Tool

DESCRIPTION = """\
Make images from words: photos, illustrations, logos, icons, posters, diagrams, drafts. \
Returns a small preview, where the full file is, and what it cost. \
Put everything about the image into `prompt`; leave out what the user did not ask for. \
What a model cannot do is refused by name before anything is billed. \
Each image may cost money: do not repeat a call that succeeded. Takes 5 to 60 seconds."""


async def request_of(
    params: GenerateImage, style: FoundStyle | None, styles: Styles, pipeline: Pipeline
) -> ImageRequest:
    """Build the request of the parameters, with the style that they name."""
    request = ImageRequest(prompt=params.prompt, **request_fields(params))
    return await with_style(request, style, styles(), pipeline) if request.style else request


async def run(params: GenerateImage, service: ImageService, call: Call) -> Answer:
    """Make the images, or return the result of the same call."""
    style = await call.styles().find(params.style) if params.style else None
    if params.models:
        return await _compared(params, style, service, call)
    if before := await replay(params, style, service, call):
        return before
    request = await request_of(params, style, call.styles, service.pipeline)
    result = await service.submit(request, **await submission(params, style, call))
    return await answer_of(result, params, call)


async def _compared(params: GenerateImage, style: FoundStyle | None, service: ImageService, call: Call) -> Answer:
    """Make the images with several models, side by side."""
    if params.model is not None or params.fallback or delivery_of(params).inline:
        message = "“models” goes with no “model”, no “fallback” and no inline delivery."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Leave them out to compare several models.")
    await check_output_path(params, call)
    each = [params.model_copy(update={"model": name}) for name in dict.fromkeys(params.models)]
    requests = [await request_of(one, style, call.styles, service.pipeline) for one in each]
    answer = await compare_models(requests, service, call, sure=params.confirm_cost)
    return await written(answer, params, call)


TOOL = Tool(
    name="generate_image",
    title="Generate an image",
    description=DESCRIPTION,
    kind="creates",
    parameters=GenerateImage,
    run=run,
    unlisted=UNLISTED,
)
