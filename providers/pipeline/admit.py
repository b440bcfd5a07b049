"""Resolve the model of a request, check the request against its limits, and price it. No I/O."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from atelier.providers.catalog.catalog import Catalog, Choice
from atelier.providers.core.errors import ImageError, Reason, error_facts, is_visible, sanitize
from atelier.providers.core.gates import preflight
from atelier.providers.core.tracing import new_id
from atelier.providers.core.types import ImageRequest, Model, Operation
from atelier.providers.pricing.estimate import Estimate, estimate
from atelier.providers.vendors.contract import Job, Provider

MODEL_LIMITS = (Reason.UNSUPPORTED_OPERATION, Reason.UNSUPPORTED_OPTION)
TINY_MASK = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
"""A white PNG of one pixel."""
MAX_ALTERNATIVES = 5  # models that a refusal names


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedRequest:
    """A request with its vendor, model and price. `estimate` is None where no price is known.

    `dropped` are the warnings about arguments that were left out of the request.
    """

    choice: Choice
    job: Job
    estimate: Estimate | None = None
    warnings: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def is_free(self) -> bool:
        """Whether it certainly costs nothing. It is not written to the job store, so it works where nothing can be.

        A local server costs nothing either, but takes long enough for a job.
        """
        return self.estimate is not None and self.estimate.high_usd == 0 and not self.job.endpoint.is_local

    @property
    def calls(self) -> tuple[Job, ...]:
        """The vendor calls of the job: several if the request wants more images than one call makes.

        The seed is increased from call to call; otherwise every call would make the same image.
        """
        request, max_count = self.job.request, self.job.model.max_count
        if request.count <= max_count:
            return (self.job,)
        return tuple(
            replace(
                self.job,
                request=replace(
                    request,
                    count=min(max_count, request.count - done),
                    seed=None if request.seed is None else request.seed + done,
                ),
            )
            for done in range(0, request.count, max_count)
        )


def check_and_price(catalog: Catalog, request: ImageRequest, *, suggest: bool = False) -> PricedRequest:
    """Resolve, check and price a request. Raises ImageError; with `suggest` it names the models that support it."""
    original, requested = request, request.model and sanitize(request.model, 60)
    try:
        with error_facts(operation=request.operation.value, model=requested):
            choice = catalog.resolve(request.model, request.operation, request.origin)
            with error_facts(model=choice.model.id):
                lifecycle_warning = preflight.check_lifecycle(choice.model, choice.endpoint, catalog.today())
                request, dropped = drop_unused_arguments(strip_prompts(request), choice.provider, choice.model)
                size = preflight.check_request(request, choice.model)
    except ImageError as error:
        if suggest:
            _add_alternatives(catalog, original, error)
        raise
    sent = f"Sent as size {size[0]}x{size[1]}: {choice.model.id} takes sizes in pixels." if size else ""
    job = Job(id=new_id("job"), request=request, model=choice.model, endpoint=choice.endpoint, size=size)
    return PricedRequest(
        choice=choice,
        job=job,
        estimate=estimate(catalog.prices, choice.provider.name, job),
        warnings=tuple(
            w for w in (choice.warning, *request.notes, *dropped, lifecycle_warning, "" if request.size else sent) if w
        ),
        dropped=dropped,
    )


def strip_prompts(request: ImageRequest) -> ImageRequest:
    """Return the request without the space around its prompts. One without a visible character is empty or absent."""
    prompt, negative = request.prompt, request.negative_prompt
    return replace(
        request,
        prompt=prompt.strip() if is_visible(prompt) else "",
        negative_prompt=negative.strip() if negative and is_visible(negative) else None,
    )


def drop_unused_arguments(
    request: ImageRequest, provider: Provider, model: Model
) -> tuple[ImageRequest, tuple[str, ...]]:
    """Return the request without the arguments that a variation does not use, and a warning that names them."""
    if request.operation is not Operation.VARIATION or request.operation not in model.operations:
        return request, ()
    prompt = request.prompt if provider.prompted_variations else ""
    names = [*(["prompt"] if request.prompt != prompt else []), *(["mask"] if request.mask else [])]
    if not names:
        return request, ()
    made_from = "the image and the prompt" if provider.prompted_variations else "the image alone"
    was = "were" if len(names) > 1 else "was"
    warning = f"The {' and the '.join(names)} {was} not sent: {model.id} makes a variation from {made_from}."
    return replace(request, prompt=prompt, mask=None), (warning,)


def restore_priced_request(catalog: Catalog, request: ImageRequest, id: str) -> PricedRequest:
    """Return the priced request of a job that a dead process sent. Nothing is checked: its sources are gone."""
    choice = catalog.resolve(request.model, request.operation)
    job = Job(id=id, request=request, model=choice.model, endpoint=choice.endpoint)
    return PricedRequest(choice=choice, job=job, estimate=estimate(catalog.prices, choice.provider.name, job))


def _add_alternatives(catalog: Catalog, request: ImageRequest, error: ImageError) -> None:
    """Add the names of the models that support the request to its refusal."""
    others = _alternatives(catalog, request) if error.reason in MODEL_LIMITS else []
    if not others and error.reason is Reason.UNSUPPORTED_OPERATION:
        others = catalog.able(lambda row: request.operation in row.operations)
    if others:
        error.hint = f"{error.hint} Models that support it: {', '.join(others[:MAX_ALTERNATIVES])}.".strip()
        error.facts["models"] = others


def _alternatives(catalog: Catalog, request: ImageRequest) -> list[str]:
    """Return the ids of the models whose row and vendor accept the request.

    The image bytes are left out, because encoding them for every model would take seconds.
    """
    request = strip_prompts(request)
    without_bytes = replace(
        request,
        sources=tuple(replace(source, image_bytes=b"") for source in request.sources),
        mask=request.mask and replace(request.mask, image_bytes=TINY_MASK),
    )

    def fits(row: Model) -> bool:
        provider = next(provider for provider in catalog.providers if any(row is own for own in provider.models))
        try:
            size = preflight.check_request(drop_unused_arguments(request, provider, row)[0], row)
            bare, _ = drop_unused_arguments(without_bytes, provider, row)
            provider.prepare(Job(id="", request=bare, model=row, endpoint=provider.endpoint, size=size))
        except ImageError:
            return False
        return True

    return catalog.able(fits)


def vendor_api_key(catalog: Catalog, priced: PricedRequest) -> str | None:
    """Return the vendor's key, None if it needs none. Raises authentication, with the variables that can hold it."""
    provider, endpoint = priced.choice.provider, priced.choice.endpoint
    key = endpoint.key(catalog.lookup)
    if endpoint.key_variables and key is None:
        names = " or ".join(endpoint.key_variables)
        raise ImageError(
            Reason.AUTHENTICATION,
            f"No key for {provider.title} is set.",
            hint=f"Set {names} where the server is started, or use the model “sketch”, which needs none.",
            facts={"variables": endpoint.key_variables},
        )
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        name = next(name for name in endpoint.key_variables if catalog.lookup(name) == key)
        message = f"{name} does not hold a key: it has spaces, line breaks or letters that no key has."
        raise ImageError(Reason.AUTHENTICATION, message, hint="Copy the key again.")
    return key
