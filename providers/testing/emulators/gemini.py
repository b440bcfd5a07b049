"""generativelanguage.googleapis.com as far as pictures go: `models/{id}:generateContent` and the list of models, on
v1 and v1beta. Imagen's `:predict` answers there too, as on a custom host, and on Google Cloud's path for API keys.

Facts: the vendor's SDK 3.4 and docs as of 2026-11-20. As strict as the vendor: an unknown field is refused by name.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.testing.emulators.gemini_rules import (
    EDIT_MODES,
    IMAGEN,
    IMAGEN_SIZES,
    KEY,
    MODELS,
    SCALES,
    SIZES,
    TOKENS,
    camelled,
    check_fields,
    drawn,
    looked_at,
    refuse,
    trouble,
    wrong_key,
)
from atelier.providers.testing.server import Emulator, RefusedError


class Gemini(Emulator):
    """The emulator. `url` bears no version, as the vendor's own client expects it.

    `served` is the model that answers in place of the requested one; `thinks` puts a draft before the picture;
    `format` is what the vendor chooses to send, and it calls everything PNG; `filtered` is how many of Imagen's
    pictures are withheld.
    """

    def __init__(self, key: str = KEY) -> None:
        super().__init__(self.routes())
        self.reset(key)

    def routes(self) -> list[Route]:
        """The paths and their answers."""
        paths = ("/v1/models/{call}", "/v1beta/models/{call}", "/v1beta1/publishers/google/models/{call}")
        lists = [Route(f"/{version}/models", self.models, methods=["GET"]) for version in ("v1", "v1beta")]
        lists.append(Route("/files/{name}", self.file, methods=["GET"]))
        return [*lists, *(Route(path, self.call, methods=["POST"]) for path in paths)]

    def reset(self, key: str = KEY) -> None:
        """As it was at first, so that one server can do for many tests."""
        self.key = key
        self.served: str | None = None
        self.thinks = False
        self.links = False  # as a gateway that answers with a file in place of the picture
        self.format = "PNG"
        self.filtered = 0
        self.clear()

    def _greet(self, request: Request) -> None:
        shown = request.headers.get("x-goog-api-key")
        if request.query_params or "authorization" in request.headers:
            raise RefusedError(trouble(401, "UNAUTHENTICATED", "A key belongs in x-goog-api-key and nowhere else."))
        if shown is None:
            raise RefusedError(trouble(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."))
        if shown != self.key:
            raise RefusedError(wrong_key(shown))

    async def call(self, request: Request) -> Response:
        """POST models/{model}:{method}"""
        model, _, method = request.path_params["call"].rpartition(":")
        self._greet(request)
        if not request.headers.get("content-type", "").startswith("application/json"):
            refuse("Invalid content type.")
        body = camelled(json.loads(await request.body()))
        if method == "generateContent" and model in MODELS:
            return JSONResponse(self._content(model, body))
        if method == "predict" and model in IMAGEN:
            return JSONResponse(self._predict(model, body))
        message = f"models/{model} is not found for API version v1beta, or is not supported for {method}."
        raise RefusedError(trouble(404, "NOT_FOUND", message))

    def _content(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        check_fields(body)
        parts = [part for content in body.get("contents", []) for part in content["parts"]]
        prompt = " ".join(part["text"] for part in parts if "text" in part)
        if not prompt:
            refuse("contents are required, with a text.")
        inputs = [looked_at(**renamed(part["inlineData"])) for part in parts if "inlineData" in part]
        config = body.get("generationConfig", {})
        ratios, sizes, maximum = MODELS[model]
        image = config.get("imageConfig", {})
        if len(inputs) > maximum:
            refuse(f"At most {maximum} images are supported.")
        if image.get("aspectRatio") not in (None, *ratios):
            refuse(f"Unsupported aspect ratio: {image['aspectRatio']}.")
        if image.get("imageSize") not in (None, *sizes):
            refuse(f"Unsupported image size: {image['imageSize']}.")
        if config.get("candidateCount", 1) != 1:
            refuse("Multiple candidates is not enabled for this model.")
        if not isinstance(config.get("seed", 0), int):
            refuse("seed: an integer is expected.")
        level = config.get("thinkingConfig", {}).get("thinkingLevel", "MEDIUM")
        if level not in ("MINIMAL", "LOW", "MEDIUM", "HIGH"):
            refuse(f"Invalid thinkingLevel: {level}.")
        if "IMAGE" not in config.get("responseModalities", []):
            return self._answer(model, prompt, inputs, [{"text": "A fox, in words."}], 12, None)
        tier = image.get("imageSize", "1K")
        width, height = SIZES[image.get("aspectRatio") or nearest(inputs, ratios)]
        size = (round(width * SCALES[tier]), round(height * SCALES[tier]))
        thoughts = [
            {"text": "First a sketch.", "thought": True},
            {"inlineData": {"mimeType": "image/png", "data": drawn((64, 64))}, "thought": True},
        ]
        result = {"inlineData": {"mimeType": "image/png", "data": drawn(size, self.format)}, "thoughtSignature": "c2ln"}
        return self._answer(model, prompt, inputs, [*(thoughts if self.thinks else []), result], TOKENS[tier], "IMAGE")

    def _answer(
        self, model: str, prompt: str, inputs: list[Any], parts: list[Any], tokens: int, modality: str | None
    ) -> dict[str, Any]:
        text, seen, thoughts = max(1, len(prompt) // 4), 1120 * len(inputs), 55 if self.thinks else 0
        read = [{"modality": "TEXT", "tokenCount": text}]
        read += [{"modality": "IMAGE", "tokenCount": seen}] if inputs else []
        usage: dict[str, Any] = {
            "promptTokenCount": text + seen,
            "candidatesTokenCount": tokens,
            "totalTokenCount": text + seen + tokens + thoughts,
            "promptTokensDetails": read,
            "candidatesTokensDetails": [{"modality": modality or "TEXT", "tokenCount": tokens}],
        }
        usage |= {"thoughtsTokenCount": thoughts} if thoughts else {}
        if self.links:
            uri = f"{self.url}/files/picture.png"
            parts = [{"fileData": {"mimeType": "image/png", "fileUri": uri}} if "inlineData" in p else p for p in parts]
        return {
            "candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": parts}}],
            "usageMetadata": usage,
            "modelVersion": self.served or model,
            "responseId": "r-emulated-1",
        }

    def _predict(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        for name in body:
            if name not in ("instances", "parameters"):
                refuse(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
        check_fields(body.get("instances", []), "instances")
        parameters = body.get("parameters", {})
        check_fields(parameters, "parameters")
        count, ratio = parameters.get("sampleCount", 4), parameters.get("aspectRatio", "1:1")
        if len(body["instances"]) != 1 or not 1 <= count <= 4:
            refuse("One instance and 1 to 4 samples are supported.")
        if ratio not in IMAGEN_SIZES:
            refuse(f"Unsupported aspect ratio: {ratio}.")
        if parameters.get("sampleImageSize", "1K") not in ("1K", "2K"):
            refuse("Unsupported sampleImageSize.")
        if "seed" in parameters and parameters.get("addWatermark", True):
            refuse("The seed parameter is not supported when watermark is enabled.")
        output = parameters.get("outputOptions", {})
        mime = output.get("mimeType", "image/png")
        if mime not in ("image/png", "image/jpeg") or ("compressionQuality" in output and mime != "image/jpeg"):
            refuse("Unsupported outputOptions.")
        width, height = IMAGEN_SIZES[ratio]
        scale = 2 if parameters.get("sampleImageSize") == "2K" else 1
        size = (width * scale, height * scale)
        instance = body["instances"][0]
        if (model == "imagen-3.0-capability-001") != ("referenceImages" in instance):
            refuse("Reference images are for the capability model, which needs them.")
        if "referenceImages" in instance:
            size = self._edited(instance["referenceImages"], parameters.get("editMode"))
        made = {"bytesBase64Encoded": drawn(size, mime.removeprefix("image/").upper()), "mimeType": mime}
        made |= {"prompt": f"{instance['prompt']}, in fine detail"} if parameters.get("enhancePrompt") else {}
        reason = "58061214: the picture may violate our policies."
        hidden = [{"raiFilteredReason": reason}] * self.filtered if parameters.get("includeRaiReason") else []
        predictions = [*hidden, *[made] * (count - self.filtered)]
        return {"predictions": predictions} if predictions else {}

    def _edited(self, references: list[dict[str, Any]], mode: str | None) -> tuple[int, int]:
        """The size of the picture, if picture and mask go together."""
        if mode not in EDIT_MODES:
            refuse(f"Unsupported editMode: {mode}.")
        if len({reference["referenceId"] for reference in references}) != len(references):
            refuse("Each reference needs an id of its own.")
        by_type = {reference["referenceType"]: reference for reference in references}
        raw, mask = by_type.get("REFERENCE_TYPE_RAW", {}), by_type.get("REFERENCE_TYPE_MASK", {})
        if "referenceImage" not in raw:
            refuse("A raw reference image is required.")
        size = looked_at(**renamed(raw["referenceImage"])).size
        drawn_by_hand = mask.get("maskImageConfig", {}).get("maskMode") == "MASK_MODE_USER_PROVIDED"
        if drawn_by_hand != ("referenceImage" in mask):
            refuse("A mask image goes with MASK_MODE_USER_PROVIDED, and only with it.")
        if drawn_by_hand and looked_at(**renamed(mask["referenceImage"])).size != size:
            refuse("The mask must have the size of the image.")
        return size

    async def file(self, request: Request) -> Response:
        """GET files/{name}: a picture, to anyone with the link"""
        if "x-goog-api-key" in request.headers:
            return Response("A key has no business here.", 400)
        return Response(base64.b64decode(drawn((64, 64))), media_type="image/png")

    async def models(self, request: Request) -> Response:
        """GET models"""
        self._greet(request)
        return JSONResponse({"models": [{"name": f"models/{model}", "displayName": model} for model in MODELS]})


def renamed(blob: dict[str, str]) -> dict[str, str]:
    """Either API's way to carry a picture."""
    return {"mime": blob["mimeType"], "data": blob.get("data") or blob["bytesBase64Encoded"]}


def nearest(inputs: list[Image.Image], ratios: tuple[str, ...]) -> str:
    """The ratio of the last input picture, else square."""
    if not inputs:
        return "1:1"
    wanted = inputs[-1].width / inputs[-1].height
    return min(ratios, key=lambda ratio: abs(SIZES[ratio][0] / SIZES[ratio][1] - wanted))
