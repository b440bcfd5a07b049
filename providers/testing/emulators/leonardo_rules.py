"""Leonardo's models, fields and errors; used by its emulator."""

from __future__ import annotations

from decimal import Decimal

from atelier.providers.testing.server import Answer, RefusedError, dashed

KEY = "1e0a0e1d-0123-4567-89ab-cdef01234567"
MODELS = {
    "7b592283-e8a7-4c5a-9ba6-d18c31f258b9": "lucid",
    "05ce0082-2d80-4a2d-8653-4d1c85e2418e": "lucid",
    "de7d3faf-762f-48e0-b3b7-9d0ac3a3fcf3": "phoenix",
    "6b645e3a-d64f-4341-a6d8-7a3690fbf042": "phoenix",
    "aa77f04e-3eec-4034-9c07-d0f619684628": "sdxl",
    "b24e16ff-06e3-43eb-8d33-4416c2d75876": "lightning",
}
FIELDS = {
    "prompt", "negative_prompt", "modelId", "width", "height", "num_images", "guidance_scale", "num_inference_steps",
    "seed", "presetStyle", "styleUUID", "alchemy", "ultra", "contrast", "public", "init_image_id",
    "init_generation_image_id", "init_strength", "controlnets", "canvasRequest", "canvasRequestType", "canvasInitId",
    "canvasMaskId",
}  # fmt: skip
PARAMETERS = {"prompt", "quantity", "width", "height", "prompt_enhance", "guidances"}
V2 = {
    "flux-schnell": PARAMETERS - {"guidances"} | {"seed"},
    "flux-pro-2.0": PARAMETERS | {"seed"},
    "gemini-image-2": PARAMETERS,
    "seedream-5.0-pro": PARAMETERS | {"output_format"},
    "gpt-image-2": PARAMETERS | {"quality"},
    "recraft-v4": PARAMETERS - {"guidances"},
    "remove-bg": {"guidances", "format"},
}
USD = Decimal("0.0147")


def trouble(status: int, words: str, code: str = "unexpected", **headers: str) -> Answer:
    """The vendor's error body; usable as a scripted fault as well."""
    return Answer(status, {"error": words, "path": "$", "code": code}, dashed(headers))


MODERATED = trouble(403, "The prompt was blocked by moderation.")
ARRAY = Answer(200, [{"message": "Unknown parameter: steps", "extensions": {"code": "validation-failed"}}])


def refuse(words: str) -> RefusedError:
    return RefusedError(trouble(400, words, "validation-failed"))
