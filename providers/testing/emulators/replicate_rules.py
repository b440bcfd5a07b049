"""The inputs of Replicate's models and its answers for each failure; used by its emulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from atelier.providers.testing.server import Answer, RefusedError, dashed

KEY = "r8_emulated0123456789abcdef"
SENSITIVE = "a sensitive prompt"
VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"

RATIOS = {"21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16", "9:21"}
WIDE_RATIOS = {"3:1", "1:3", "2:1", "1:2", "16:10", "10:16", *RATIOS}
FLUX = {"prompt", "aspect_ratio", "seed", "output_format", "output_quality"}
FLUX_1 = FLUX | {"num_outputs", "num_inference_steps", "megapixels", "go_fast", "disable_safety_checker"}
OWN = {"prompt_upsampling", "safety_tolerance", "width", "height", "image_prompt"}

MODELS: dict[str, tuple[set[str], str]] = {
    "black-forest-labs/flux-schnell": (FLUX_1, "0.003"),
    "black-forest-labs/flux-dev": (FLUX_1 | {"image", "prompt_strength", "guidance"}, "0.025"),
    "black-forest-labs/flux-1.1-pro": (FLUX | OWN, "0.04"),
    "ideogram-ai/ideogram-v3-quality": (
        {"prompt", "aspect_ratio", "resolution", "style_type", "magic_prompt_option", "image", "mask", "seed"},
        "0.09",
    ),
    "owner/painter": ({"prompt", "input_images", "steps", "seed", "mask"}, "0.01"),
}
"""Model -> its inputs, and the price of a picture."""


def trouble(status: int, title: str, detail: str, **headers: str) -> Answer:
    """A problem document; usable as a scripted fault as well."""
    body = {"title": title, "detail": detail, "status": status}
    return Answer(status, body, dashed(headers))


UNAUTHENTICATED = trouble(401, "Unauthenticated", "You did not pass a valid authentication token")
FORBIDDEN = trouble(403, "Forbidden", "You do not have permission to perform this action.")
NO_CREDIT = trouble(402, "Insufficient credit", "You have insufficient credit to run this model.")
NOT_FOUND = trouble(404, "Not found", "The requested resource could not be found.")
FAILED_E005 = Answer(
    200,
    {"id": "c0ff", "status": "failed", "output": None, "error": "The input or output was flagged as sensitive. (E005)"},
)


def refuse(detail: str) -> RefusedError:
    return RefusedError(trouble(422, "Input validation failed", detail))


def throttled(delay: float) -> Answer:
    return trouble(429, "Too many requests", "Request was throttled.", retry_after=f"{delay}")


@dataclass(slots=True)
class Run:
    """A prediction: it runs when it is polled the second time."""

    model: str
    input: dict[str, Any]
    looks: int = 0
    status: str = "starting"
    output: Any = None
    error: str | None = None
