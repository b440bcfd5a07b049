"""What models are good at, with the source of each statement, for the instructions that a host passes to its model.

Imports the standard library alone, since a server needs this before it loads the vendors. Every statement is that of
its source; nothing here was measured.
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
        "transparent backgrounds",
        "https://docs.apiyi.com/en/live/2026-10/gpt-image-2-transparent-shutdown.md",
        "2026-10-15",
        ("OPENAI_API_KEY",),
    ),
    Strength(
        "openai",
        "gpt-image-2",
        "small or long lettering, exact layouts",
        "https://fal.ai/models/openai/gpt-image-2",
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
        "grok-imagine-image-2.0",
        "short crisp lettering, references",
        "https://docs.comfy.org/ja/tutorials/partner-nodes/grok/grok-overview",
        "2026-11-29",
        ("XAI_API_KEY",),
    ),
    Strength(
        "stability",
        "stable-image-core",
        "its family erases, cuts out, recolors, upscales",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/model-cards-stability-ai.html",
        "2026-11-29",
        ("STABILITY_API_KEY",),
    ),
    Strength(
        "ideogram",
        "ideogram-v3",
        "lettering in complex layouts, design",
        "https://runware.ai/docs/models/ideogram-3-0",
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
        "leonardo",
        "lucid-origin",
        "natural skin, light and depth of field",
        "https://blog.picassoia.com/leonardo-lucid-origin-new-ai-image-model-explained",
        "2026-11-29",
        ("LEONARDO_API_KEY",),
    ),
    Strength(
        "midjourney",
        "midjourney-7",
        "one character or object over many scenes",
        "https://raw.githubusercontent.com/Pixmind-io/awesome-midjourney-v7-example-prompts/main/parameters/oref-omni-reference.md",
        "2026-11-29",
        ("KIE_API_KEY", "MIDAPI_API_KEY"),
    ),
    Strength(
        "fal",
        "fal-ai/flux/schnell",
        "very quick drafts",
        "https://docs.giselles.ai/models/providers/fal",
        "2026-11-29",
        ("FAL_KEY", "FAL_KEY_ID"),
    ),
    Strength(
        "replicate",
        "black-forest-labs/flux-schnell",
        "very quick drafts",
        "https://docs.giselles.ai/models/providers/fal",
        "2026-11-29",
        ("REPLICATE_API_TOKEN",),
    ),
)
"""In the order in which they are named."""


def configured(is_set: Callable[[str], bool]) -> list[Strength]:
    """Return the strengths of the vendors that have a key."""
    return [each for each in STRENGTHS if any(is_set(name) for name in each.variables)]
