"""The option `safe_prompt`: after a refusal that cost nothing, what the one more try asks for in softer words.

The caller sees what was sent: the answer warns, and its `prompt_used` is the softened prompt.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import replace

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.option_gates import SAFE_PROMPT
from atelier.providers.core.types import ImageRequest
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.prepared_job import PreparedJob
from atelier.providers.pricing.budget import Confirm

Admit = Callable[[ImageRequest], PricedRequest]
BeginAgain = Callable[[PreparedJob, PricedRequest, Confirm], Awaitable[PreparedJob]]

SOFTER = {
    "blood": "red paint",
    "bloody": "paint-stained",
    "bloodied": "paint-stained",
    "gore": "mess",
    "gory": "messy",
    "corpse": "sleeping figure",
    "corpses": "sleeping figures",
    "dead": "sleeping",
    "kill": "chase",
    "killing": "chasing",
    "killed": "chased",
    "murder": "chase",
    "murdered": "chased",
    "stabbed": "confronted",
    "shot": "confronted",
    "tortured": "captured",
    "gun": "toy",
    "guns": "toys",
    "rifle": "toy",
    "knife": "wooden prop",
    "weapon": "prop",
    "weapons": "props",
    "bomb": "fireworks",
    "explosion": "fireworks",
    "war": "parade",
    "naked": "fully clothed",
    "nude": "fully clothed",
    "topless": "fully clothed",
    "sexy": "elegant",
    "erotic": "romantic",
    "lingerie": "evening dress",
    "drugs": "sweets",
    "cocaine": "sugar",
    "nsfw": "",
    "explicit": "",
    "graphic": "",
    "violent": "lively",
    "violence": "commotion",
}
"""Words that image filters object to, and what stands in their place; an empty one is left out."""

CLAUSE = "Show it as a safe, non-graphic and clearly fictional picture, suitable for all ages."

WORD = re.compile(rf"\b({'|'.join(SOFTER)})\b[ \t]?", re.IGNORECASE)


def soften(prompt: str) -> str:
    """Return the prompt with milder words and a sentence that asks for a safe depiction."""

    def milder(found: re.Match[str]) -> str:
        word = SOFTER[found[1].lower()]
        return word + found[0][len(found[1]) :] if word else ""

    words = WORD.sub(milder, prompt).strip()
    return f"{words.rstrip('.')}. {CLAUSE}" if words else CLAUSE


async def soften_once(
    admit: Admit, begin_again: BeginAgain, prepared: PreparedJob, error: ImageError
) -> PreparedJob | None:
    """Return the one more attempt after an error, reserved; None when there is to be none.

    The calls alone have the softened prompt: records and the result keep the request as it was made.
    """
    if not may_soften(prepared, error):
        return None
    first, prompt = prepared.priced, soften(prepared.priced.job.request.prompt)
    model = f"{first.choice.provider.name}/{first.job.model.id}"
    try:
        begun = await begin_again(prepared, admit(replace(first.job.request, model=model, prompt=prompt)), _agreed)
    except ImageError as obstacle:
        error.hint = f"{error.hint} safe_prompt could not send a softened prompt: {obstacle.message}".strip()
        return None
    return replace(begun, priced=replace(first, warnings=(warning(prompt), *first.warnings)))


async def _agreed(question: str) -> bool:
    """The price was agreed to with the first attempt, which cost nothing."""
    return True


@contextmanager
def refusals_name_it() -> Generator[None]:
    """Within the block, an error says that it is the softened prompt's."""
    try:
        yield
    except ImageError as error:
        error.hint = f"{error.hint} This was the second attempt, with the softened prompt of safe_prompt.".strip()
        raise


def may_soften(prepared: PreparedJob, error: ImageError) -> bool:
    """Whether one more try was asked for and is safe: the vendor refused the content of all of it, and billed none."""
    request = prepared.priced.job.request
    asked_for = request.options.get(SAFE_PROMPT) is True and bool(request.prompt) and None not in prepared.requests
    refused_for_free = error.reason is Reason.CONTENT_POLICY and not error.outcome_unknown and prepared.spent_usd == 0
    return asked_for and refused_for_free and not prepared.stop.cancel_called


def warning(prompt: str) -> str:
    """What the answer says of the softened prompt that was sent."""
    return (
        f"The prompt was refused as it was written, at no cost, and safe_prompt sent it softened: “{sanitize(prompt)}”"
    )
