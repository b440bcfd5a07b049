"""What models are good at, with the source of each statement, for the instructions that a host passes to its model.

Imports the standard library alone, since a server needs this before it loads the vendors. Every statement is one that
the maker of the model, or the vendor that runs it, publishes of it; nothing here was measured. Pages of others, who
sell the same model or write about it, are no sources.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

PREFIXES = ("ATELIER_", "")
"""What may stand before the name of a vendor's variable."""


class Strength(NamedTuple):
    """What a vendor's model is good at. `read_on` is the day on which the source said so.

    `keys` are the vendor's key variables, as in its endpoint.
    """

    vendor: str
    model: str
    good_at: str
    source: str
    read_on: str
    keys: tuple[str, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables by which the vendor is configured."""
        return tuple(prefix + key for prefix in PREFIXES for key in self.keys)


STRENGTHS = (
    Strength(
        "openai",
        "gpt-image-2.5-flare",
        "transparent backgrounds with fine edges",
        "https://github.com/openai/openai-cookbook/blob/main/examples/multimodal/transparent-image-assets-for-campaigns-and-presentations.ipynb",
        "2026-11-29",
        ("OPENAI_API_KEY",),
    ),
    Strength(
        "openai",
        "gpt-image-2",
        "much lettering, diagrams, photos, faces kept",
        "https://github.com/openai/openai-cookbook/blob/main/examples/multimodal/image-gen-models-prompting-guide.ipynb",
        "2026-11-29",
        ("OPENAI_API_KEY",),
    ),
    Strength(
        "gemini",
        "gemini-nano-banana-2.1",
        "edits in steps that keep the rest",
        "https://firebase.google.com/docs/ai-logic/generate-images-gemini",
        "2026-11-29",
        ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    ),
    Strength(
        "flux",
        "flux-2-pro",
        "photos with exact colours, many references",
        "https://docs.bfl.ai/flux_2/flux2_overview.md",
        "2026-11-29",
        ("BFL_API_KEY",),
    ),
    Strength(
        "xai",
        "grok-imagine-image",
        "edits in words, combining up to 3 images",
        "https://docs.x.ai/developers/model-capabilities/images",
        "2026-11-29",
        ("XAI_API_KEY",),
    ),
    Strength(
        "ideogram",
        "ideogram-v3",
        "lettering in logos, branding and layouts",
        "https://developer.ideogram.ai/ideogram-api/api-overview.md",
        "2026-11-29",
        ("IDEOGRAM_API_KEY",),
    ),
    Strength(
        "recraft",
        "recraftv4_1",
        "balanced composition, cohesive colours",
        "https://www.recraft.ai/docs/api-reference/models/recraft-v4.md",
        "2026-11-29",
        ("RECRAFT_API_TOKEN", "RECRAFT_API_KEY"),
    ),
    Strength(
        "fal",
        "fal-ai/flux/schnell",
        "drafts in 1 to 4 steps",
        "https://fal.ai/docs/model-api-reference/image-generation-api/flux-schnell.md",
        "2026-11-29",
        ("FAL_KEY", "FAL_KEY_ID"),
    ),
    Strength(
        "replicate",
        "black-forest-labs/flux-schnell",
        "drafts in 1 to 4 steps",
        "https://github.com/black-forest-labs/flux/blob/main/model_cards/FLUX.1-schnell.md",
        "2026-11-29",
        ("REPLICATE_API_TOKEN",),
    ),
)
"""In the order in which they are named."""


def configured(is_set: Callable[[str], bool]) -> list[Strength]:
    """Return the strengths of the vendors that have a key."""
    return [each for each in STRENGTHS if any(is_set(name) for name in each.variables)]
