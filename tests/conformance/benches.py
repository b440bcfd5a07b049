"""The bench of every vendor in the catalogue."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atelier.providers.core.errors import Reason
from atelier.providers.core.types import Endpoint, Model, Operation
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors import flux as flux_vendor
from atelier.providers.vendors import gemini as gemini_vendor
from atelier.providers.vendors import openai as openai_vendor
from atelier.providers.vendors import sketch as sketch_vendor
from atelier.providers.vendors import stability as stability_vendor
from atelier.providers.vendors import xai as xai_vendor
from atelier.providers.vendors.flux import tasks as flux_tasks
from atelier.providers.vendors.gemini.models import PREDICT
from atelier.providers.vendors.openai.models import DALL_E
from atelier.providers.vendors.sketch import adapter as sketch_adapter
from atelier.providers.vendors.stability import adapter as stability_adapter
from atelier.providers.vendors.stability.models import OUTPAINT, SD3
from tests.conformance.bench import Bench, Body, Faults
from tests.emulators import flux, gemini, openai, stability, xai
from tests.emulators.server import Answer, Emulator

Patch = pytest.MonkeyPatch

# OpenAI


def openai_stage(host: openai.OpenAI, patch: Patch) -> None:
    """An older host, which serves what OpenAI itself has switched off."""
    patch.setattr(openai, "FIXED", (*openai.FIXED, "gpt-image-1"))
    host.older = True


def openai_least(model: Model) -> Body:
    dialect = {"response_format": "b64_json"} if model.wire == DALL_E else {}
    return {"model": model.id, "prompt": "a fox", **dialect}


def openai_answers_later(host: openai.OpenAI) -> Model:
    """A compatible host answers with links."""
    host.links = True
    return next(row for row in openai_vendor.PROVIDER.models if row.id == openai_vendor.PROVIDER.default)


OPENAI = Bench(
    provider=openai_vendor.PROVIDER,
    host=openai.OpenAI,
    key=openai.KEY,
    stage=openai_stage,
    least=openai_least,
    downloads=("/v1/links/",),
    answers_later=openai_answers_later,
    faults=Faults(
        forbidden=openai.trouble(403, "unsupported_country_region_territory", "Country not supported."),
        no_credit=openai.NO_QUOTA,
        no_such_model=openai.trouble(404, "model_not_found", "The model does not exist."),
        too_many=lambda delay: openai.trouble(429, "rate_limit_exceeded", "Slow down.", retry_after=f"{delay}"),
        broken_server=openai.BROKEN_SERVER,
        broken_json=openai.BROKEN_JSON,
        empty=Answer(200, {"created": 1, "data": []}),
        moderated=(openai.MODERATED, openai.STREAM_ERROR),
        refused=lambda words: openai.trouble(400, "invalid_value", words),
    ),
)

# Google


def gemini_stage(host: gemini.Gemini, patch: Patch) -> None:
    """A custom host, where the previews still answer."""
    for row in gemini_vendor.PROVIDER.models:
        if row.wire != PREDICT and row.id not in gemini.MODELS:
            patch.setitem(gemini.MODELS, row.id, (gemini.TEN, tuple(gemini.SCALES), 14))


def gemini_least(model: Model) -> Body:
    if model.wire == PREDICT:
        return {"instances": [{"prompt": "a fox"}], "parameters": {"sampleCount": 1, "includeRaiReason": True}}
    parts = [{"text": "a fox"}]
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": {"responseModalities": ["IMAGE"]}}


def gemini_answers_later(host: gemini.Gemini) -> Model:
    """A gateway answers with a file."""
    host.links = True
    return next(row for row in gemini_vendor.PROVIDER.models if row.id == gemini_vendor.PROVIDER.default)


GEMINI = Bench(
    provider=gemini_vendor.PROVIDER,
    host=gemini.Gemini,
    key=gemini.KEY,
    stage=gemini_stage,
    least=gemini_least,
    downloads=("/files/",),
    answers_later=gemini_answers_later,
    faults=Faults(
        forbidden=gemini.trouble(403, "PERMISSION_DENIED", "The caller does not have permission."),
        no_credit=gemini.NO_FREE_TIER,
        no_such_model=gemini.trouble(404, "NOT_FOUND", "models/x is not found for API version v1beta."),
        too_many=lambda delay: gemini.rate_limited(f"{delay}s"),
        broken_server=gemini.BROKEN_SERVER,
        broken_json=gemini.BROKEN_JSON,
        empty=gemini.finished("STOP"),
        moderated=(
            gemini.blocked("PROHIBITED_CONTENT"),
            gemini.finished("IMAGE_SAFETY"),
            gemini.finished("STOP", None, {"text": "I will not draw that."}),
            gemini.withheld("58061214: the picture may violate our policies."),
            gemini.REFUSED_PROMPT,
        ),
        refused=gemini.invalid,
    ),
)

# Black Forest Labs


def flux_stage(host: flux.Flux, patch: Patch) -> None:
    patch.setattr(flux_tasks, "POLL_INTERVAL", 0.01)


def flux_least(model: Model) -> Body:
    return {"prompt": "a fox"}


def flux_astray(host: flux.Flux) -> None:
    host.polls_name = "localhost"


def flux_answers_later(host: flux.Flux) -> Model:
    """Every answer is a task."""
    return next(row for row in flux_vendor.PROVIDER.models if row.id == flux_vendor.PROVIDER.default)


def flux_polls(host: flux.Flux) -> Emulator:
    return host.polls


FLUX = Bench(
    provider=flux_vendor.PROVIDER,
    host=flux.Flux,
    key=flux.KEY,
    stage=flux_stage,
    least=flux_least,
    faults=Faults(
        forbidden=flux.NOT_AUTHENTICATED,
        no_credit=flux.NO_CREDITS,
        no_such_model=flux.NOT_FOUND,
        too_many=lambda delay: flux.trouble(429, "Rate limit exceeded", retry_after=f"{delay}"),
        broken_server=flux.BROKEN_SERVER,
        broken_json=flux.BROKEN_JSON,
        empty=Answer(200, {}),
        moderated=(flux.REQUEST_MODERATED, flux.CONTENT_MODERATED),
        refused=lambda words: flux.trouble(400, words),
    ),
    downloads=("/results/", "/blobs/"),
    astray=flux_astray,
    delivers=flux_polls,
    answers_later=flux_answers_later,
    dropped=lambda host: host.dropped,
)

# xAI


def xai_stage(host: xai.XAI, patch: Patch) -> None:
    """A custom host, where the first model still answers."""
    patch.setattr(xai, "FIRST", (*xai.FIRST, "grok-2-image"))


def xai_least(model: Model) -> Body:
    return {"model": model.id, "prompt": "a fox", "response_format": "b64_json"}


def xai_astray(host: xai.XAI) -> None:
    host.always_links, host.redirect = True, f"http://localhost:{host.port}/pictures/{{name}}"


def xai_answers_later(host: xai.XAI) -> Model:
    """An older host answers with links."""
    host.always_links = True
    return next(row for row in xai_vendor.PROVIDER.models if row.id == xai_vendor.PROVIDER.default)


XAI = Bench(
    provider=xai_vendor.PROVIDER,
    host=xai.XAI,
    key=xai.KEY,
    stage=xai_stage,
    least=xai_least,
    faults=Faults(
        forbidden=xai.BLOCKED_KEY,
        no_credit=xai.NO_CREDITS,
        no_such_model=xai.trouble(404, "not-found", "The model does not exist."),
        too_many=lambda delay: xai.trouble(429, xai.EXHAUSTED, "Too many requests.", retry_after=f"{delay}"),
        broken_server=xai.BROKEN_SERVER,
        broken_json=xai.BROKEN_JSON,
        empty=xai.withheld({"respect_moderation": True}),
        moderated=(xai.withheld(), xai.withheld({"respect_moderation": False, "url": ""}), xai.MODERATED),
        refused=lambda words: xai.trouble(400, xai.INVALID, words),
    ),
    downloads=("/links/", "/pictures/"),
    astray=xai_astray,
    answers_later=xai_answers_later,
    dropped=lambda host: host.dropped,
)

# Stability


def stability_stage(host: stability.Stability, patch: Patch) -> None:
    patch.setattr(stability_adapter, "POLL_INTERVAL", 0.01)
    host.patience = 0.0


def stability_least(model: Model) -> Body:
    return {"prompt": "a fox", **({"model": model.id} if model.wire == SD3 else {})}


def stability_needs_prompt(model: Model, operation: Operation) -> bool:
    """A variation or an upscaling is described as well."""
    return model.max_prompt > 0 and model.wire != OUTPAINT


def stability_answers_later(host: stability.Stability) -> Model:
    """Two endpoints answer with a task."""
    return next(row for row in stability_vendor.PROVIDER.models if row.id == "stable-image-upscale-creative")


STABILITY = Bench(
    provider=stability_vendor.PROVIDER,
    host=stability.Stability,
    key=stability.KEY,
    stage=stability_stage,
    least=stability_least,
    faults=Faults(
        forbidden=stability.trouble(403, "permission_denied", "You lack the permission."),
        no_credit=stability.NO_CREDITS,
        no_such_model=stability.trouble(404, "not_found", "There is no such endpoint."),
        too_many=lambda delay: stability.trouble(429, "rate_limit_exceeded", "Wait.", retry_after=f"{delay}"),
        broken_server=stability.BROKEN_SERVER,
        broken_json=stability.BROKEN_JSON,
        empty=Answer(200, {"finish_reason": "SUCCESS"}),
        moderated=(stability.MODERATED, stability.PUBLIC_FIGURE, stability.FILTERED),
        refused=lambda words: stability.trouble(400, "bad_request", words),
    ),
    needs_prompt=stability_needs_prompt,
    refuses={"stable-diffusion-v1-6": Reason.MODEL_RETIRED},  # of an older API, which the vendor file does not speak
    dropped=lambda host: host.ignored,
    answers_later=stability_answers_later,
)

# Sketch


async def drawn(request: Request) -> Response:
    """The drawing code behind a socket, so that its requests can be counted."""
    answer = sketch_adapter.draw(httpx.Request("POST", str(request.url), content=await request.body()))
    return Response(answer.content, answer.status_code, {"content-type": "application/json"})


def sketch_host() -> Emulator:
    return Emulator(Starlette(routes=[Route("/draw", drawn, methods=["POST"])]))


def sketch_stage(host: Emulator, patch: Patch) -> None:
    """It serves its one row as it is."""


def sketch_least(model: Model) -> Body:
    return {"prompt": "a fox"}


SOCKET = Endpoint(base_url=sketch_adapter.ENDPOINT.base_url, base_url_variable="SKETCH_BASE_URL")
SKETCH = Bench(
    provider=replace(sketch_vendor.PROVIDER, endpoint=SOCKET),
    host=sketch_host,
    stage=sketch_stage,
    least=sketch_least,
)

BENCHES = (OPENAI, GEMINI, FLUX, XAI, STABILITY, SKETCH)
