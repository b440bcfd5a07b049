"""The option `safe_prompt`: after a free refusal of the prompt, one more attempt with milder words.

The answer warns of it, and its `prompt_used` is the softened prompt.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.option_gates import SAFE_PROMPT
from atelier.providers.core.types import ImageRequest
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.prepare import PreparedJob
from atelier.providers.pricing.budget import Confirm

Admit = Callable[[ImageRequest], PricedRequest]
PrepareReplacement = Callable[[PreparedJob, PricedRequest, Confirm], Awaitable[PreparedJob]]

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
"""Word that image filters object to -> its replacement; an empty one removes the word."""

CLAUSE = "Show it as a safe, non-graphic and clearly fictional picture, suitable for all ages."

WORD = re.compile(rf"\b({'|'.join(SOFTER)})\b[ \t]?", re.IGNORECASE)


SECOND_ATTEMPT_HINT = "This was the second attempt, with the softened prompt of safe_prompt."


def soften(prompt: str) -> str:
    """Return the prompt with milder words and a sentence that asks for a safe depiction."""

    def milder(found: re.Match[str]) -> str:
        word = SOFTER[found[1].lower()]
        return word + found[0][len(found[1]) :] if word else ""

    words = WORD.sub(milder, prompt).strip()
    return f"{words.rstrip('.')}. {CLAUSE}" if words else CLAUSE


async def prepare_softened(
    admit: Admit, prepare_replacement: PrepareReplacement, prepared: PreparedJob, error: ImageError
) -> PreparedJob | None:
    """Return the second attempt after an error, with its reservations written; None if there is none.

    Only its calls have the softened prompt: records and the result have the request as the caller made it.
    """
    if not may_soften(prepared, error):
        return None
    first, prompt = prepared.priced, soften(prepared.priced.job.request.prompt)
    model = f"{first.choice.provider.name}/{first.job.model.id}"
    try:
        replacement = await prepare_replacement(
            prepared, admit(replace(first.job.request, model=model, prompt=prompt)), _consent
        )
    except ImageError as obstacle:
        error.hint = f"{error.hint} safe_prompt could not send a softened prompt: {obstacle.message}".strip()
        return None
    return replace(replacement, priced=replace(first, warnings=(softened_warning(prompt), *first.warnings)))


async def _consent(question: str) -> bool:
    """The caller consented to the price of the first attempt, which cost nothing."""
    return True


def may_soften(prepared: PreparedJob, error: ImageError) -> bool:
    """Whether a second attempt was requested and is free of risk: the vendor refused the content and billed nothing."""
    request = prepared.priced.job.request
    requested = request.options.get(SAFE_PROMPT) is True and bool(request.prompt) and None not in prepared.requests
    refused_for_free = error.reason is Reason.CONTENT_POLICY and not error.outcome_unknown and prepared.spent_usd == 0
    return requested and refused_for_free and not prepared.stop.cancel_called


def softened_warning(prompt: str) -> str:
    """Return the warning that quotes the softened prompt."""
    return (
        f"The prompt was refused as it was written, at no cost, and safe_prompt sent it softened: “{sanitize(prompt)}”"
    )
