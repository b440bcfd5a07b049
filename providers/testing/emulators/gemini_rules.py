"""What generativelanguage.googleapis.com accepts, refuses and bills, and its answers for each failure."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NoReturn

from PIL import Image
from pydantic.alias_generators import to_camel

from atelier.providers.testing.images import opened, plain
from atelier.providers.testing.server import Answer, RefusedError

KEY = "AIzaEmulated-0123456789abcdef"
SIZES = {
    "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896),
    "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
    "1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384),
}  # fmt: skip
TEN, FOURTEEN = tuple(SIZES)[:10], tuple(SIZES)
SCALES = {"512": 0.5, "1K": 1, "2K": 2, "4K": 4}
MODELS: dict[str, tuple[tuple[str, ...], tuple[str, ...], int]] = {
    "gemini-nano-banana-2.1": (FOURTEEN, ("1K", "2K", "4K"), 14),
    "gemini-3-pro-image": (TEN, ("1K", "2K", "4K"), 14),
    "gemini-3.1-flash-lite-image": (FOURTEEN, ("1K",), 14),
    "gemini-3.1-flash-image": (FOURTEEN, ("512", "1K", "2K", "4K"), 14),
    "gemini-2.5-flash-image": (TEN, (), 3),
}
"""Model -> ratios, sizes, most input pictures."""
TOKENS = {"512": 747, "1K": 1120, "2K": 1680, "4K": 2520}

IMAGEN_SIZES = {"1:1": (1024, 1024), "3:4": (896, 1280), "4:3": (1280, 896), "9:16": (768, 1408), "16:9": (1408, 768)}
IMAGEN = (
    "imagen-4.0-generate-001", "imagen-4.0-ultra-generate-001", "imagen-4.0-fast-generate-001",
    "imagen-3.0-generate-002", "imagen-3.0-generate-001", "imagen-3.0-fast-generate-001", "imagen-3.0-capability-001",
)  # fmt: skip
EDIT_MODES = ("EDIT_MODE_INPAINT_INSERTION", "EDIT_MODE_INPAINT_REMOVAL", "EDIT_MODE_BGSWAP")

FIELDS: dict[str, set[str]] = {
    "": {"contents", "generationConfig", "safetySettings", "systemInstruction", "tools", "toolConfig", "cachedContent"},
    "contents": {"role", "parts"},
    "contents.parts": {"text", "inlineData", "fileData", "thought", "thoughtSignature"},
    "contents.parts.inlineData": {"mimeType", "data"},
    "generationConfig": {
        "responseModalities", "imageConfig", "seed", "thinkingConfig", "temperature", "topP", "topK", "candidateCount",
        "maxOutputTokens", "stopSequences", "mediaResolution",
    },
    "generationConfig.imageConfig": {"aspectRatio", "imageSize"},
    "generationConfig.thinkingConfig": {"thinkingLevel", "thinkingBudget", "includeThoughts"},
    "instances": {"prompt", "referenceImages", "image"},
    "instances.referenceImages": {
        "referenceType", "referenceId", "referenceImage", "maskImageConfig", "controlImageConfig", "styleImageConfig",
        "subjectImageConfig",
    },
    "instances.referenceImages.referenceImage": {"bytesBase64Encoded", "mimeType", "gcsUri"},
    "instances.referenceImages.maskImageConfig": {"maskMode", "maskClasses", "dilation"},
    "parameters": {
        "sampleCount", "negativePrompt", "aspectRatio", "guidanceScale", "seed", "safetySetting", "personGeneration",
        "includeSafetyAttributes", "includeRaiReason", "language", "outputOptions", "addWatermark", "sampleImageSize",
        "enhancePrompt", "editMode", "editConfig", "mode", "upscaleConfig", "storageUri",
    },
    "parameters.outputOptions": {"mimeType", "compressionQuality"},
}  # fmt: skip
"""Where in a body -> what may stand there. Deeper than this nothing is looked at."""


def trouble(code: int, status: str, message: str, *details: dict[str, Any]) -> Answer:
    """The vendor's error body; usable as a scripted fault as well."""
    return Answer(code, {"error": {"code": code, "message": message, "status": status, "details": list(details)}})


def invalid(message: str) -> Answer:
    return trouble(400, "INVALID_ARGUMENT", message)


def rate_limited(delay: str, message: str = "Resource has been exhausted (e.g. check quota).") -> Answer:
    """A 429 as the vendor sends it: the delay is in the body alone."""
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    return trouble(429, "RESOURCE_EXHAUSTED", message, {"@type": "type.googleapis.com/google.rpc.Help"}, retry)


def wrong_key(shown: str) -> Answer:
    """The vendor repeats the key in the details."""
    return trouble(
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
        {"@type": "type.googleapis.com/google.rpc.DebugInfo", "detail": f"Invalid API key: {shown}"},
    )


RATE_LIMITED = rate_limited("0s")
NO_FREE_TIER = rate_limited(
    "41s", "You exceeded your current quota. \n* Quota exceeded for metric: free_tier_requests, limit: 0, model: x"
)
BROKEN_SERVER = trouble(500, "INTERNAL", "An internal error has occurred.")
OVERLOADED = trouble(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
TOO_LATE = trouble(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.")
NO_BILLING = trouble(400, "FAILED_PRECONDITION", "User location is not supported for the API use without billing.")
BROKEN_JSON = Answer(200, b'{"candidates": [{"content": {"parts": [{"inlineData": {"data": "iVBORw0K')
REFUSED_PROMPT = invalid("Image generation failed with the following error: The prompt could not be submitted.")

SPENT = {
    "promptTokenCount": 7,
    "thoughtsTokenCount": 55,
    "totalTokenCount": 62,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}],
}


def blocked(reason: str, message: str | None = None) -> Answer:
    """HTTP 200 for a prompt that was blocked: no candidates at all."""
    feedback = {"blockReason": reason, **({"blockReasonMessage": message} if message else {})}
    usage = {"promptTokenCount": 7, "totalTokenCount": 7}
    return Answer(200, {"promptFeedback": feedback, "usageMetadata": usage, "responseId": "r-blocked"})


def finished(reason: str, message: str | None = None, *parts: dict[str, Any]) -> Answer:
    """HTTP 200 of a request that ended without an image; `parts` are its text."""
    candidate: dict[str, Any] = {"index": 0, "finishReason": reason}
    candidate |= {"finishMessage": message} if message else {}
    candidate |= {"content": {"role": "model", "parts": list(parts)}} if parts else {}
    return Answer(200, {"candidates": [candidate], "usageMetadata": SPENT, "responseId": "r-finished"})


def withheld(*reasons: str) -> Answer:
    """HTTP 200 of Imagen with every picture filtered out."""
    return Answer(200, {"predictions": [{"raiFilteredReason": reason} for reason in reasons]})


def refuse(message: str) -> NoReturn:
    raise RefusedError(invalid(message))


def check_fields(value: Any, where: str = "") -> None:
    """Every field has to be known, as deep as FIELDS goes."""
    if isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            check_fields(item, where)
    elif isinstance(value, dict) and where in FIELDS:
        for name, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            if name not in FIELDS[where]:
                refuse(f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field.")
            check_fields(inner, f"{where}.{name}".lstrip("."))


def camelled(value: Any) -> Any:
    """The same with field names in camel case: the vendor reads either, and its own client sends both."""
    if isinstance(value, list):
        return [camelled(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {to_camel(str(name)): camelled(inner) for name, inner in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value


def looked_at(mime: str, data: str) -> Image.Image:
    """A picture that came in base64, if it is one and of the type that it claims."""
    if mime not in ("image/png", "image/jpeg", "image/webp"):
        refuse(f"Unsupported MIME type: {mime}")
    try:
        image = opened(
            data.replace("-", "+").replace("_", "/")
        )  # the vendor reads either alphabet; its client sends -_
        image.load()
    except (binascii.Error, OSError):
        raise RefusedError(invalid("Unable to process input image.")) from None
    if image.get_format_mimetype() != mime:
        refuse("The image does not match its MIME type.")
    return image


def drawn(size: tuple[int, int], format: str = "PNG") -> str:
    """A real picture of that size, in base64."""
    return base64.b64encode(plain(size, format, "seagreen")).decode()
