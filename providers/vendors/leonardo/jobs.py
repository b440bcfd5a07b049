"""A job of Leonardo: what the first answer says of it, how it is polled, and its images.

Doubtful: whether a failed job is refunded (its outcome is unknown), and how long links work.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Picture
from atelier.providers.transport.vendor_json import Lenient, VendorModel, invalid_response, parse_answer, spelled
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.image_links import Item, images_of, losses

POLL_INTERVAL = 3.0  # seconds
COMPLETE, FAILED = "COMPLETE", "FAILED"
MAX_USD = 1_000  # a higher number is not a price


class Cost(VendorModel):
    """DOLLARS where the account pays as it goes; CREDITS of a plan have no fixed price."""

    amount: Lenient[Annotated[Decimal, Field(ge=0, lt=MAX_USD)]] = None
    unit: Lenient[str] = None

    @property
    def usd(self) -> Decimal | None:
        """The cost in USD, where it is stated in USD."""
        return self.amount if self.unit == "DOLLARS" else None


class Task(VendorModel):
    """A job as it is saved."""

    id: str
    kind: Literal["generation", "variation"] = "generation"
    usd: Lenient[Decimal] = None


class Created(VendorModel):
    """Either name of the id, by the kind of job."""

    generation_id: Lenient[str] = None
    id: Lenient[str] = None
    cost: Lenient[Cost] = None


class Answer(VendorModel):
    """The answer to a request, flat or in an object by its kind."""

    sd_generation_job: Lenient[Created] = None
    generate: Lenient[Created] = None
    universal_upscaler: Lenient[Created] = None
    sd_unzoom_job: Lenient[Created] = None
    generation_id: Lenient[str] = None
    cost: Lenient[Cost] = None


def task_of(content: bytes) -> Task:
    """Return the job of an answer. Raises invalid_response for one that names none."""
    answer = parse_answer(Answer, content)
    made = answer.sd_generation_job or answer.generate or Created(generation_id=answer.generation_id, cost=answer.cost)
    changed = answer.universal_upscaler or answer.sd_unzoom_job
    id = changed.id if changed else made.generation_id
    if not id:
        raise invalid_response("Leonardo.Ai accepted the request but names no job.")
    cost = (changed or made).cost
    return Task(id=id, kind="variation" if changed else "generation", usd=cost and cost.usd)


class Image(VendorModel):
    id: Lenient[str] = None
    url: Lenient[str] = None


class Failure(VendorModel):
    type: Lenient[str] = None
    message: Lenient[str] = None


State = Annotated[str, spelled(COMPLETE, FAILED)]


class Generation(VendorModel):
    status: Lenient[State] = None
    seed: Lenient[Annotated[int, Field(ge=0, lt=2**64)]] = None
    generated_images: Lenient[tuple[Lenient[Image], ...]] = None
    failure_reason: Lenient[Failure] = None


class Change(VendorModel):
    id: Lenient[str] = None
    status: Lenient[State] = None
    url: Lenient[str] = None


class Read(VendorModel):
    """A job as it is read; null means that the vendor does not know it."""

    generations_by_pk: Lenient[Generation] = None
    generated_image_variation_generic: Lenient[tuple[Lenient[Change], ...]] = None

    @property
    def job(self) -> Generation | None:
        """The job, a variation as a job of one image."""
        if self.generations_by_pk or not self.generated_image_variation_generic:
            return self.generations_by_pk
        change = self.generated_image_variation_generic[0] or Change()
        return Generation(status=change.status, generated_images=(Image(id=change.id, url=change.url),))


async def reply_of(task: Task, job: Job, wire: Wire) -> Reply:
    """Wait for a job and return its images. An error has the job's id and the stated cost among its facts."""
    path = "generations" if task.kind == "generation" else "variations"
    url = f"{job.endpoint.base_url}/v1/{path}/{quote(task.id, safe='')}"
    await wire.on_progress("Leonardo.Ai has queued the image.")
    facts: dict[str, Any] = {"request_id": task.id, "cost_usd": task.usd}
    try:
        found = parse_answer(Read, (await wire.poll(url, _has_ended, every=POLL_INTERVAL)).content).job
        assert found, "_has_ended has checked it"
        if found.status == FAILED:
            raise _failed(found)
        images = [image for image in found.generated_images or () if image]
        if not images:
            raise _blocked("Leonardo.Ai finished the job without a picture.")
        pictures, failures = await images_of("Leonardo.Ai", [Item(url=image.url) for image in images], wire)
    except ImageError as error:
        error.facts |= {name: value for name, value in facts.items() if value is not None}
        if error.retryable or error.collectable or task.usd is None:
            error.facts["outcome"] = "unknown"
        raise
    short = job.request.count - len(images)
    return Reply(
        pictures=tuple(_named(picture, images, found.seed) for picture in pictures),
        cost_usd=task.usd,
        warnings=(*losses(pictures, failures), *([f"Leonardo.Ai withheld {short} pictures."] if short > 0 else [])),
        collectable=any(failure.collectable for failure in failures),
        details={"request_id": task.id},
    )


def _named(picture: Picture, images: list[Image], seed: int | None) -> Picture:
    """Return an image with the vendor's name of it, and with the seed of the job if that made one image."""
    name = next(
        (image.id for image in images if image.url and picture.url.endswith(image.url.rpartition("://")[2])), None
    )
    return replace(picture, vendor_image=name, seed=seed if len(images) == 1 else None)


def _has_ended(answer: httpx.Response) -> bool:
    found = parse_answer(Read, answer.content).job
    if found is None:
        raise ImageError(
            Reason.NOT_FOUND,
            "Leonardo.Ai does not know the job.",
            hint="Only the account that sent it can read it.",
            facts={"outcome": "unknown"},
        )
    return found.status in (COMPLETE, FAILED)


def _failed(found: Generation) -> ImageError:
    why = found.failure_reason or Failure()
    words = ": ".join(part for part in (why.type, why.message) if part)
    if "MODERATION" in (why.type or ""):
        return _blocked(f"Leonardo.Ai blocked the job: “{sanitize(words)}”.")
    message = "Leonardo.Ai could not finish the job" + (f": “{sanitize(words)}”." if words else ".")
    hint = "Try again or use another model; the vendor may have billed this job."
    return ImageError(Reason.PROVIDER_UNAVAILABLE, message, hint=hint, facts={"collectable": False})


def _blocked(message: str) -> ImageError:
    hint = "Reword the prompt or use another source image; the vendor may have billed this job."
    return ImageError(Reason.CONTENT_POLICY, message, hint=hint)
