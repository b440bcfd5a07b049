"""The price of a request by Leonardo's calculator, which is free to ask. It knows only some families of the first API.

Doubtful: the calculator states credits on a plan, and by its documentation USD where the account pays as it goes.
Credits have no fixed price, so an answer in credits is no price.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import JsonValue

from atelier.providers.transport.vendor_json import lenient_json
from atelier.providers.transport.wire import Wire
from atelier.providers.vendors.contract import Job
from atelier.providers.vendors.leonardo.bodies import USUAL_SIZE
from atelier.providers.vendors.leonardo.jobs import Cost
from atelier.providers.vendors.leonardo.models import FAMILIES, PHOENIX, SDXL

FLAGS = {PHOENIX: "isPhoenix", SDXL: "isSDXL"}


async def quote(job: Job, wire: Wire) -> Decimal | None:
    """Return what the calculator states in USD; None where it does not know the model, or answers in credits."""
    model_id = job.model.wire.removeprefix("v1/")
    if (flag := FLAGS.get(FAMILIES.get(model_id, ""))) is None:
        return None
    (width, height), options = job.size or USUAL_SIZE, job.request.options
    parameters: dict[str, Any] = {
        "imageWidth": width,
        "imageHeight": height,
        "numImages": job.request.count,
        "inferenceSteps": options.get("num_inference_steps"),
        "alchemyMode": job.request.quality == "alchemy",
        "isUltra": job.request.quality == "ultra",
        "isSDXLLightning" if job.model.id == "lightning-xl" else flag: True,
    }
    present = {name: value for name, value in parameters.items() if value is not None}
    body = {"service": "IMAGE_GENERATION", "serviceParams": {"IMAGE_GENERATION": present}}
    response = await wire.free("POST", f"{job.endpoint.base_url}/v1/pricing-calculator", json=body)
    return _stated(lenient_json(response.content))


def _stated(value: JsonValue) -> Decimal | None:
    """Return the amount of the first `{"amount", "unit": "DOLLARS"}`; its place in the answer is not documented."""
    if not isinstance(value, dict):
        return None
    if "unit" in value:
        return Cost.model_validate(value).usd
    return next((usd for part in value.values() if (usd := _stated(part)) is not None), None)
