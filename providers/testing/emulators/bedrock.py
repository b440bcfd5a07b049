"""bedrock-runtime.{region}.amazonaws.com as far as Stability's models go: POST /model/{id}/invoke.

Facts: AWS's user guide and botocore 1.44 as of 2026-11-29. A signature is computed again by botocore over the request
as it arrived; an API key is accepted as well. Unknown fields are refused.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from botocore.auth import SigV4Auth  # pyright: ignore[reportMissingTypeStubs]
from botocore.awsrequest import AWSRequest  # pyright: ignore[reportMissingTypeStubs]
from botocore.credentials import ReadOnlyCredentials  # pyright: ignore[reportMissingTypeStubs]
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.testing.emulators import stability_rules as stability
from atelier.providers.testing.emulators.stability import drawn
from atelier.providers.testing.emulators.stability_rules import Form, one_of
from atelier.providers.testing.server import Answer, Bill, Emulator, RefusedError, dashed

KEY = "bedrock-api-key-emulated-0123456789"
ACCESS_KEY, SECRET_KEY = "AKIAEMULATED", "emulated/secret+0123456789"
REGION = "us-west-2"
MAX_SKEW = timedelta(minutes=5)
MAX_BODY_BYTES = 25_000_000
SEED = 2130420379
GENERATING = {"prompt", "negative_prompt", "mode", "aspect_ratio", "seed", "output_format"}
USUAL = {"image", "prompt", "seed", "output_format"}


@dataclass(frozen=True, slots=True)
class Service:
    """A model: its endpoint at Stability, whose checks hold, its price, and the fields that it knows."""

    tool: str
    usd: str
    fields: set[str]
    formats: tuple[str, ...] = ("png", "jpeg", "webp")


MODELS: dict[str, Service] = {
    "stability.stable-image-core-v1:1": Service("generate/core", "0.04", GENERATING, ("png", "jpeg")),
    "stability.stable-image-ultra-v1:1": Service("generate/ultra", "0.14", GENERATING, ("png", "jpeg")),
    "stability.sd3-5-large-v1:0": Service(
        "generate/sd3", "0.08", GENERATING | {"image", "strength", "cfg_scale"}, ("png", "jpeg")
    ),
    **{
        f"us.stability.{name}-v1:0": service
        for name, service in {
            "stable-image-inpaint": Service("edit/inpaint", "0.07", USUAL | {"mask", "grow_mask", "style_preset"}),
            "stable-image-erase-object": Service("edit/erase", "0.07", USUAL - {"prompt"} | {"mask", "grow_mask"}),
            "stable-image-remove-background": Service("edit/remove-background", "0.07", {"image", "output_format"}),
            "stable-image-search-replace": Service(
                "edit/search-and-replace", "0.07", USUAL | {"search_prompt", "grow_mask"}
            ),
            "stable-image-search-recolor": Service(
                "edit/search-and-recolor", "0.07", USUAL | {"select_prompt", "grow_mask"}
            ),
            "stable-image-control-sketch": Service("control/sketch", "0.07", USUAL | {"control_strength"}),
            "stable-image-control-structure": Service("control/structure", "0.07", USUAL | {"control_strength"}),
            "stable-image-style-guide": Service("control/style", "0.07", USUAL | {"aspect_ratio", "fidelity"}),
            "stable-style-transfer": Service(
                "transfer",
                "0.08",
                USUAL - {"image"}
                | {"init_image", "style_image", "style_strength", "composition_fidelity", "change_strength"},
            ),
            "stable-outpaint": Service("edit/outpaint", "0.06", USUAL | {"left", "right", "up", "down", "creativity"}),
            "stable-fast-upscale": Service("upscale/fast", "0.03", {"image", "output_format"}),
            "stable-conservative-upscale": Service("upscale/conservative", "0.40", USUAL | {"creativity"}),
            "stable-creative-upscale": Service("upscale/creative", "0.60", USUAL | {"creativity", "style_preset"}),
        }.items()
    },
}
UNIT = stability.number(0, 1)
TRANSFER = stability.Tool(
    0,
    {
        "prompt": stability.words(0), **stability.SEEDS, **stability.FORMATS,
        "style_strength": UNIT, "composition_fidelity": UNIT, "change_strength": stability.number(0.1, 1),
    },
    ("init_image", "style_image"),
    {"init_image": stability.BALANCED, "style_image": stability.BALANCED},
)  # fmt: skip
IMAGES = ("image", "mask", "init_image", "style_image")


def trouble(status: int, name: str, message: str, **headers: str) -> Answer:
    """AWS's error: its name is in a header. Usable as a scripted fault as well."""
    named = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    return Answer(status, {"message": message}, {**named, **dashed(headers)})


def withheld(reason: str) -> Answer:
    """A 200 without an image."""
    return Answer(200, {"finish_reasons": [reason]}, {"x-amzn-requestid": "br_withheld"})


NO_ACCESS = trouble(403, "AccessDeniedException", "You don't have access to the model with the specified model ID.")
NO_MODEL = trouble(404, "ResourceNotFoundException", "Could not resolve the foundation model.")
BROKEN_SERVER = trouble(500, "InternalServerException", "The system encountered an unexpected error.")
BAD_SIGNATURE = trouble(403, "InvalidSignatureException", "The request signature we calculated does not match.")
NO_TOKEN = trouble(403, "UnrecognizedClientException", "The security token included in the request is invalid.")


def invalid(message: str) -> RefusedError:
    return RefusedError(trouble(400, "ValidationException", message))


class Bedrock(Emulator):
    """The emulator. `key` is the API key; `session_token` is required of signed requests where it is set."""

    def __init__(self, key: str = KEY, session_token: str | None = None) -> None:
        self.key = key
        self.session_token = session_token
        super().__init__([Route("/model/{id}/invoke", self.invoke, methods=["POST"])])

    def signed_environ(self) -> dict[str, str]:
        """Return the region, the keys to sign with and the base URL."""
        keys = {"ATELIER_BEDROCK_REGION": REGION, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        token = {"AWS_SESSION_TOKEN": self.session_token} if self.session_token else {}
        return {**keys, **token, "ATELIER_AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.url}

    async def invoke(self, request: Request) -> Response:
        """POST /model/{id}/invoke"""
        body = await request.body()
        self._greet(request, body)
        service = MODELS.get(request.path_params["id"])
        if service is None:
            raise invalid("The provided model identifier is invalid.")
        form = self._form(service, body)
        self.billed.append(Bill(Decimal(service.usd), 1))
        seed = int(form.fields.get("seed", "0")) or SEED
        image = base64.b64encode(drawn(form)).decode()
        answer = {"seeds": [seed], "finish_reasons": [None], "images": [image]}
        return JSONResponse(answer, headers={"x-amzn-requestid": f"br_{len(self.billed)}"})

    def _greet(self, request: Request, body: bytes) -> None:
        shown = request.headers.get("authorization", "")
        if shown.startswith("Bearer "):
            if shown != f"Bearer {self.key}":
                raise RefusedError(NO_TOKEN)
        else:
            self._check_signature(request, body, shown)
        if request.headers.get("content-type") != "application/json":
            raise invalid("The content type must be application/json.")
        if request.headers.get("accept", "*/*") not in ("application/json", "*/*"):
            raise invalid("The accept type must be application/json.")
        if len(body) > MAX_BODY_BYTES:
            raise invalid("The body is too long.")

    def _check_signature(self, request: Request, body: bytes, shown: str) -> None:
        """Compute the signature over the request as it arrived, and compare."""
        named = (part.strip().partition("=") for part in shown.partition(" ")[2].split(","))
        parts = {name: value for name, _, value in named}
        stamp = request.headers.get("x-amz-date", "")
        scope = f"{ACCESS_KEY}/{stamp[:8]}/{REGION}/bedrock/aws4_request"
        signed = parts.get("SignedHeaders", "").split(";")
        required = {"host", "x-amz-date", *(["x-amz-security-token"] if self.session_token else [])}
        if not shown.startswith("AWS4-HMAC-SHA256 ") or parts.get("Credential") != scope or required - set(signed):
            raise RefusedError(NO_TOKEN)
        if request.headers.get("x-amz-security-token") != self.session_token:
            raise RefusedError(NO_TOKEN)
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        url = f"http://{request.headers['host']}{request.scope['raw_path'].decode()}"
        headers = {name: request.headers[name] for name in signed}
        copy: Any = AWSRequest(request.method, url, headers=headers, data=body)
        copy.context["timestamp"] = stamp
        auth: Any = SigV4Auth(ReadOnlyCredentials(ACCESS_KEY, SECRET_KEY, None), "bedrock", REGION)
        expected = auth.signature(auth.string_to_sign(copy, auth.canonical_request(copy)), copy)
        if not hmac.compare_digest(expected, parts.get("Signature", "")) or abs(datetime.now(UTC) - at) > MAX_SKEW:
            raise RefusedError(BAD_SIGNATURE)

    def _form(self, service: Service, body: bytes) -> Form:
        try:
            content: dict[str, Any] = json.loads(body)
            files = {name: base64.b64decode(content[name], validate=True) for name in IMAGES if name in content}
        except (ValueError, TypeError, binascii.Error):
            raise invalid("Malformed input request, please reformat your input and try again.") from None
        if unknown := sorted(set(content) - service.fields):
            raise invalid(f"Malformed input request: extraneous key [{unknown[0]}] is not permitted.")
        if any(value is None or isinstance(value, dict | list) for value in content.values()):
            raise invalid("Malformed input request: a text or a number is expected.")
        fields = {name: str(value) for name, value in content.items() if name not in IMAGES}
        form = Form(service.tool, fields, files)
        try:
            stability.check(form, TRANSFER if service.tool == "transfer" else stability.TOOLS[service.tool])
            if "output_format" in fields:
                one_of(set(service.formats))("output_format", fields["output_format"])
        except RefusedError as refused:
            raise invalid("; ".join(refused.answer.body["errors"])) from None
        if service.tool == "transfer":
            return Form("control/transfer", fields, {"image": files["init_image"]})
        return form
