"""The first step of a request: who does it, if it can be done at all, and for how much. No I/O."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from atelier.providers.catalog.catalog import Catalog, Choice
from atelier.providers.core.errors import ImageError, Reason, error_facts, sanitize
from atelier.providers.core.gates import preflight
from atelier.providers.core.ids import new_id
from atelier.providers.core.types import ImageRequest, Model, Operation
from atelier.providers.pricing.estimate import Estimate, estimate
from atelier.providers.vendors.contract import Job, Provider

MATRIX = (Reason.UNSUPPORTED_OPERATION, Reason.UNSUPPORTED_OPTION)
SPECK = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg==")
"""A white PNG of one pixel."""
NAMED = 5  # how many models that could do it are named in a refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedRequest:
    """A job, who does it, and what the caller should know beforehand. `estimate` is None without a known price.

    `dropped` is the part of `warnings` about what the caller gave and the request no longer has.
    """

    choice: Choice
    job: Job
    estimate: Estimate | None = None
    warnings: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def is_free(self) -> bool:
        """Whether it surely costs nothing, so that it is in no books: it must work where nothing can be written."""
        return self.estimate is not None and self.estimate.high_usd == 0

    @property
    def calls(self) -> tuple[Job, ...]:
        """The vendor calls that the job takes: one, or several when more pictures are wanted than one call makes.

        A seed goes up from call to call, or every call would make the same picture.
        """
        request, most = self.job.request, self.job.model.max_count
        return tuple(
            replace(
                self.job,
                request=replace(
                    request,
                    count=min(most, request.count - done),
                    seed=None if request.seed is None else request.seed + done,
                ),
            )
            for done in range(0, request.count, most)
        )


def check_and_price(catalog: Catalog, request: ImageRequest) -> PricedRequest:
    """Through the catalogue and every gate, and priced."""
    choice = catalog.resolve(request.model, request.operation, request.origin)
    with error_facts(model=choice.model.id):
        fading = preflight.check_lifecycle(choice.model, choice.endpoint, catalog.today())
        request, dropped = without_extras(stripped(request), choice.provider, choice.model)
        size = preflight.check_request(request, choice.model)
    sent = f"Sent as size {size[0]}x{size[1]}: {choice.model.id} takes sizes in pixels." if size else ""
    job = Job(id=new_id("job"), request=request, model=choice.model, endpoint=choice.endpoint, size=size)
    return PricedRequest(
        choice=choice,
        job=job,
        estimate=estimate(catalog.prices, choice.provider.name, job),
        warnings=tuple(w for w in (*dropped, fading, "" if request.size else sent) if w),
        dropped=dropped,
    )


def stripped(request: ImageRequest) -> ImageRequest:
    """Return the request without the space around its prompts; a negative prompt of nothing else is absent."""
    negative = (request.negative_prompt or "").strip() or None
    return replace(request, prompt=request.prompt.strip(), negative_prompt=negative)


def without_extras(request: ImageRequest, provider: Provider, model: Model) -> tuple[ImageRequest, tuple[str, ...]]:
    """Return the request without what a variation has no use for, and a warning that names it."""
    if request.operation is not Operation.VARIATION or request.operation not in model.operations:
        return request, ()
    prompt = request.prompt if provider.prompted_variations else ""
    names = [*(["prompt"] if request.prompt != prompt else []), *(["mask"] if request.mask else [])]
    if not names:
        return request, ()
    made_from = "the picture and the prompt" if provider.prompted_variations else "the picture alone"
    warning = f"The {' and the '.join(names)} was not sent: {model.id} makes a variation from {made_from}."
    return replace(request, prompt=prompt, mask=None), (warning,)


def restored(catalog: Catalog, request: ImageRequest, id: str) -> PricedRequest:
    """A job that was admitted, and sent, by a process that died. Its pictures are gone, so no gate can be asked."""
    choice = catalog.resolve(request.model, request.operation)
    job = Job(id=id, request=request, model=choice.model, endpoint=choice.endpoint)
    return PricedRequest(choice=choice, job=job, estimate=estimate(catalog.prices, choice.provider.name, job))


def admit(catalog: Catalog, request: ImageRequest) -> PricedRequest:
    """As `check_and_price`; a refusal names the models that offer what was asked."""
    try:
        with error_facts(operation=request.operation.value, model=request.model and sanitize(request.model, 60)):
            return check_and_price(catalog, request)
    except ImageError as error:
        others = _able(catalog, request) if error.reason in MATRIX else []
        if not others and error.reason is Reason.UNSUPPORTED_OPERATION:
            others = catalog.able(lambda row: request.operation in row.operations)
        if others:
            error.hint = f"{error.hint} Models that support it: {', '.join(others[:NAMED])}.".strip()
            error.facts["models"] = others
        raise


def _able(catalog: Catalog, request: ImageRequest) -> list[str]:
    """The models that would do this very request, as their rows have it and as their vendor's `prepare` has it.

    Nothing is sent here, so that what would only be encoded is left out: a refusal is not to take seconds.
    """
    request = stripped(request)
    hollow = replace(
        request,
        sources=tuple(replace(source, image_bytes=b"") for source in request.sources),
        mask=request.mask and replace(request.mask, image_bytes=SPECK),
    )

    def fits(row: Model) -> bool:
        provider = next(provider for provider in catalog.providers if any(row is own for own in provider.models))
        try:
            size = preflight.check_request(without_extras(request, provider, row)[0], row)
            bare, _ = without_extras(hollow, provider, row)
            provider.prepare(Job(id="", request=bare, model=row, endpoint=provider.endpoint, size=size))
        except ImageError:
            return False
        return True

    return catalog.able(fits)


def key_of(catalog: Catalog, priced: PricedRequest) -> str | None:
    """The vendor's key. Raises authentication with the variables that could hold it."""
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
