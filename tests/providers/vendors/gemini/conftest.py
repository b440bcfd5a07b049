"""What the tests of Google share: ways to ask, pictures to send, and the shape of a body."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from atelier.providers.core.types import ImageRequest, Picture
from atelier.providers.images import sources

MODEL = "gemini-nano-banana-2.1"


def ask(prompt: str = "a fox in the snow", model: str = "gemini", **asked: Any) -> ImageRequest:
    return ImageRequest(prompt=prompt, model=model, **asked)


FOX = ask()


def drawing(width: int, height: int, format: str = "PNG") -> Picture:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(out, format)
    return sources.normalise_source(out.getvalue())


def carried(blob: dict[str, str]) -> bytes:
    """The picture inside a body of either API."""
    return base64.b64decode(blob.get("data") or blob["bytesBase64Encoded"])


def content(*parts: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {
        "contents": [{"role": "user", "parts": list(parts)}],
        "generationConfig": {"responseModalities": ["IMAGE"], **config},
    }


def imagen(model: str = "imagen-4.0-generate-001", **asked: Any) -> ImageRequest:
    return ask(model=model, **asked)
