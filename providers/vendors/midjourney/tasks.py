"""A task of the resale: how it is polled, and its images. The service keeps both for 15 days.

Doubtful: whether a failed task is refunded (its outcome is unknown). Clients disagree on what 2 means; what counts is
whether there are links.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue, field_validator

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Picture
from atelier.providers.transport.vendor_json import Lenient, VendorModel, lenient_json, parse_answer
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.image_links import Item, images_of, losses
from atelier.providers.vendors.midjourney.models import VARY

POLL_INTERVAL = 5.0  # seconds; a task takes half a minute to several minutes
RUNNING = "0"
REFUSED = re.compile(r"moderat|banned|nsfw|sensitive|content policy|inappropriate", re.IGNORECASE)
INDEX_DOUBT = (
    "The documentation counts images from 1 here and from 0 for an upscale; see whether this varies the image that was "
    "meant."
)


class Result(VendorModel):
    result_urls: Lenient[tuple[JsonValue, ...]] = None


class State(VendorModel):
    """`result_info_json` is an object, or one in a text; the flag a number or a text."""

    success_flag: Lenient[str] = None
    result_info_json: Lenient[Result] = None
    error_message: Lenient[str] = None

    @field_validator("success_flag", mode="before")
    @classmethod
    def _text(cls, value: Any) -> str:
        return str(value)

    @field_validator("result_info_json", mode="before")
    @classmethod
    def _object(cls, value: Any) -> Any:
        return lenient_json(value.encode()) if isinstance(value, str) else value

    @property
    def links(self) -> list[str]:
        """The links of a task that is done, as texts or in objects."""
        found = (self.result_info_json and self.result_info_json.result_urls) or ()
        links = [each.get("resultUrl") if isinstance(each, dict) else each for each in found]
        return [link for link in links if isinstance(link, str)]


class Read(VendorModel):
    code: Lenient[int] = None
    msg: Lenient[str] = None
    data: Lenient[State] = None


async def reply_of(task: str, job: Job, wire: Wire) -> Reply:
    """Wait for a task and return as many of its images as the request wants; the links of the others are details."""
    url = f"{job.endpoint.base_url}/api/v1/mj/record-info?taskId={quote(task, safe='')}"
    await wire.on_progress("Midjourney's reseller has queued the picture.")
    try:
        found = parse_answer(
            Read, (await wire.poll(url, lambda answer: _has_ended(answer, wire), every=POLL_INTERVAL)).content
        )
        state = found.data or State()
        if not state.links:
            raise _failed(state)
        wanted = state.links[: job.request.count]
        pictures, failures = await images_of("Midjourney's reseller", [Item(url=link) for link in wanted], wire)
    except ImageError as error:
        error.facts |= {"request_id": task, "outcome": "unknown"}
        raise
    further = state.links[job.request.count :]
    made = (
        f"The task made {len(state.links)} images for one price; the links of the other {len(further)} are in details."
    )
    return Reply(
        pictures=tuple(_named(picture, task, state.links) for picture in pictures),
        warnings=(
            *losses(pictures, failures),
            *([made] if further else []),
            *([INDEX_DOUBT] if job.model.wire == VARY else []),
        ),
        collectable=any(failure.collectable for failure in failures),
        details={"request_id": task, **({"further_images": further} if further else {})},
    )


def _named(picture: Picture, task: str, links: list[str]) -> Picture:
    """Return an image with its place in the task, counted from 0, by which it can be upscaled and varied."""
    index = next((number for number, link in enumerate(links) if picture.url.endswith(link.rpartition("://")[2])), 0)
    return replace(picture, vendor_image=f"{task}:{index}")


def _has_ended(answer: httpx.Response, wire: Wire) -> bool:
    found = parse_answer(Read, answer.content)
    if found.data is None:
        raise wire.refusal(answer)
    return bool(found.data.links) or found.data.success_flag not in (RUNNING, None)


def _failed(state: State) -> ImageError:
    words = sanitize(state.error_message or "")
    message = "Midjourney's reseller could not finish the task" + (f": “{words}”." if words else ".")
    if REFUSED.search(words):
        hint = "Reword the prompt; the service may have billed this task."
        return ImageError(Reason.CONTENT_POLICY, message, hint=hint, facts={"collectable": False})
    hint = "Try again later or use another vendor; the service may have billed this task."
    return ImageError(Reason.PROVIDER_UNAVAILABLE, message, hint=hint, facts={"collectable": False})
