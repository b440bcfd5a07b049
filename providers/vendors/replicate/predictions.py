"""A prediction of Replicate: how it is waited for, how it ends, and its images.

Facts: the vendor's client 1.0.7 and docs as of 2026-08. Doubtful: whether a failed run is billed (it is taken to be
possible), `aborted`, and whether a file may need the token (it is read without, as users do).
"""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import FiniteFloat, JsonValue

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    invalid_response,
    is_data_uri,
    parse_answer,
    spelled,
)
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.image_links import Item, images_of, losses

POLL_INTERVAL = 1.0  # seconds
SUCCEEDED, FAILED, PROCESSING = "succeeded", "failed", "processing"
CANCELED = ("canceled", "aborted")
ENDED = (SUCCEEDED, FAILED, *CANCELED)

MODERATED = re.compile(r"sensitive|\bE005\b|nsfw|safety|moderat|content policy|flagged", re.IGNORECASE)
"""Words of a failed run whose content was refused; there is no code (reports of 2026)."""


class Metrics(VendorModel):
    predict_time: Lenient[FiniteFloat] = None


class Prediction(VendorModel):
    """`output` is null, a link, a list of links, or other JSON."""

    id: Lenient[str] = None
    status: Lenient[Annotated[str, spelled(PROCESSING, *ENDED)]] = None
    output: Lenient[JsonValue] = None
    error: Lenient[JsonValue] = None
    metrics: Lenient[Metrics] = None
    data_removed: Lenient[bool] = None
    urls: Lenient[dict[str, JsonValue]] = None

    def address(self, action: str, base_url: str) -> str:
        """Return the address of `get` or `cancel`."""
        given = (self.urls or {}).get(action)
        if isinstance(given, str):
            return given
        path = f"{base_url}/v1/predictions/{quote(self.id or '', safe='')}"
        return path if action == "get" else f"{path}/{action}"


async def reply_of(prediction: Prediction, job: Job, wire: Wire) -> Reply:
    """Wait for a prediction and return its images. An error has the id of the prediction among its facts."""
    try:
        ended, started = await _ended(prediction, job, wire)
        if ended.status != SUCCEEDED:
            raise _failure(ended, started=started)
        links = list(_links(ended.output))
        if not links:
            raise invalid_response(
                "Replicate removed the output of this prediction; it is kept for an hour."
                if ended.data_removed
                else "Replicate answered without a picture."
            )
        images, failures = await images_of("Replicate", [Item(url=link) for link in links], wire)
        warnings = losses(images, failures)
    except ImageError as error:
        error.facts["request_id"] = prediction.id
        raise
    details: dict[str, Any] = {"request_id": prediction.id}
    if ended.metrics and ended.metrics.predict_time is not None:
        details["predict_time"] = ended.metrics.predict_time
    collectable = any(failure.collectable for failure in failures)
    return Reply(pictures=images, warnings=warnings, details=details, collectable=collectable)


async def _ended(prediction: Prediction, job: Job, wire: Wire) -> tuple[Prediction, bool]:
    """Poll until the prediction has ended. Return it, and whether a machine was seen to work on it."""
    seen = list[str]()

    def is_news(answer: httpx.Response) -> bool:
        status = parse_answer(Prediction, answer.content).status  # an unknown one means that it still runs
        return status in ENDED or (status == PROCESSING and not seen)

    await wire.on_progress("Replicate is starting the model.")
    url = prediction.address("get", job.endpoint.base_url)
    while True:
        try:
            answer = await wire.poll(url, is_news, every=POLL_INTERVAL)
        except ImageError as error:
            error.facts["outcome"] = "unknown"
            raise
        found = parse_answer(Prediction, answer.content)
        if found.status != PROCESSING:
            return found, bool(seen)
        seen.append(PROCESSING)
        await wire.on_progress("Replicate is drawing.")


def _failure(ended: Prediction, *, started: bool) -> ImageError:
    if ended.status in CANCELED:
        free = not started and not (ended.metrics and ended.metrics.predict_time)
        facts = {"code": "cancelled", **({} if free else {"outcome": "unknown"})}
        return ImageError(Reason.INVALID_REQUEST, "The prediction was cancelled.", hint="Ask again.", facts=facts)
    words = sanitize(ended.error or "")
    refused = bool(MODERATED.search(words))
    return ImageError(
        Reason.CONTENT_POLICY if refused else Reason.INVALID_RESPONSE,
        "Replicate's model failed" + (f": “{words}”" if words else "."),
        hint=f"{'Reword the prompt' if refused else 'Change the request'}; the vendor may have billed this run.",
        facts={"outcome": "unknown", "collectable": False},
    )


def _links(output: JsonValue) -> list[str]:
    """Return every link of an output, at any depth."""
    match output:
        case str():
            return [output] if output.startswith(("http://", "https://")) or is_data_uri(output) else []
        case list():
            return [link for each in output for link in _links(each)]
        case dict():
            return [link for each in output.values() for link in _links(each)]
        case _:
            return []
