"""One image request, from the question to the pictures.

    admit      resolve the model, pass the gates       no I/O
    key        look the key up                         no I/O, after the gates
    dispatch   prepare -> wire.send -> read            for each call that the job takes
    settle     every picture to storage as it arrives, then the result

`prepare` is public and makes the same request that `dispatch` fires, because there is one way to make it.
"""

from __future__ import annotations

import math
from functools import partial
from types import TracebackType
from typing import Self

import anyio

from atelier.providers import admit as admission
from atelier.providers.admit import Admitted
from atelier.providers.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.provider import Job, Reply
from atelier.providers.core.sources import Sources
from atelier.providers.core.types import ImageRequest, ImageResult, Kept, Tell
from atelier.providers.core.wire import httpx
from atelier.providers.dispatch import Dispatcher, each, to_the_end
from atelier.providers.settle import Storage, kept, merged, shortfall

__all__ = ["Pipeline", "Storage", "silence"]


async def silence(message: str) -> None:
    """Progress for nobody."""


class Pipeline:
    """The one way from a request to pictures. An async context manager: leaving it closes the connections.

    Without a storage the pictures stay in the caller's hand. `sources` reads what a caller names. `timeout` is seconds
    for one vendor call, `concurrency` how many calls of this process a vendor sees at once (its own limit unless set).
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: Storage | None = None,
        sources: Sources | None = None,
        *,
        timeout: float = 300.0,
        concurrency: int | None = None,
        retry_timeouts: bool = False,
    ) -> None:
        self.catalog = catalog
        self.sources = sources or Sources()
        self._storage = storage
        self._vendors = Dispatcher(timeout=timeout, concurrency=concurrency, retry_timeouts=retry_timeouts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._vendors.aclose()

    def admit(self, request: ImageRequest) -> Admitted:
        """Who does it, if it can be done at all. Raises before any I/O."""
        return admission.admit(self.catalog, request)

    def prepare(self, request: ImageRequest) -> httpx.Request:
        """The (first) request that `run` would fire, unfired. It bears no key, and needs none."""
        admitted = self.admit(request)
        return admitted.choice.provider.prepare(admitted.calls[0])

    async def run(self, request: ImageRequest, *, in_hand: int = 0, tell: Tell = silence) -> ImageResult:
        """Make the pictures and keep them. Raises ImageError when there are none, and then nothing was stored.

        `in_hand` is how many bytes the caller takes instead of having them stored; pictures that exceed it together
        are stored after all, because a paid picture is never thrown away.
        """
        if request.deliver and (in_hand or not self._storage):
            message = "A copy is delivered beside the stored picture, and nothing is stored here."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Leave out save=false, or the deliver_ options.")
        admitted = self.admit(request)
        key = self._key(admitted)
        storage = self._storage if not in_hand else None
        loose = list[Reply]()
        try:
            outcomes = await each(
                [partial(self._call, admitted, job, key, storage, tell, loose) for job in admitted.calls]
            )
        except anyio.get_cancelled_exc_class():
            if self._storage and loose:  # nobody is there any more to take them in hand
                await to_the_end(partial(kept, self._storage, admitted, merged(loose)))
            raise
        done = [outcome for outcome in outcomes if not isinstance(outcome, ImageError)]
        errors = [outcome for outcome in outcomes if isinstance(outcome, ImageError)]
        if not done:
            raise errors[0]
        reply = merged([reply for reply, _, _ in done])
        images = [image for _, images, _ in done for image in images]
        unkept = [warning for _, _, warnings in done for warning in warnings]
        if loose and self._storage and (has_gone() or sum(len(image.image_bytes) for image in images) > in_hand):
            images, unkept = await to_the_end(partial(kept, self._storage, admitted, reply))
            unkept.insert(0, "Stored all the same: too large to hand over within an answer.")
        missing = shortfall(errors, request.count, len(images))
        return ImageResult(
            id=admitted.job.id,
            images=tuple(images),
            provider=admitted.choice.provider.name,
            model=admitted.job.model.id,
            usage=reply.usage,
            actual_usd=reply.cost_usd,
            notice=admitted.choice.notice,
            warnings=tuple(dict.fromkeys((*missing, *admitted.warnings, *reply.warnings, *unkept))),
            details=reply.details,
        )

    def _key(self, admitted: Admitted) -> str | None:
        provider, endpoint = admitted.choice.provider, admitted.choice.endpoint
        key = endpoint.key(self.catalog.lookup)
        if endpoint.key_variables and key is None:
            names = " or ".join(endpoint.key_variables)
            raise ImageError(
                Reason.AUTHENTICATION,
                f"No key for {provider.title} is set.",
                hint=f"Set {names} where the server is started, or use the model “sketch”, which needs none.",
                facts={"variables": endpoint.key_variables},
            )
        if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
            name = next(name for name in endpoint.key_variables if self.catalog.lookup(name) == key)
            message = f"{name} does not hold a key: it has spaces, line breaks or letters that no key has."
            raise ImageError(Reason.AUTHENTICATION, message, hint="Copy the key again.")
        return key

    async def _call(
        self,
        admitted: Admitted,
        job: Job,
        key: str | None,
        storage: Storage | None,
        tell: Tell,
        loose: list[Reply],
    ) -> tuple[Reply, list[Kept], list[str]]:
        """One vendor call and its pictures, stored; without a storage its reply joins the `loose` ones."""

        async def settle(reply: Reply) -> tuple[Reply, list[Kept], list[str]]:
            if storage is None:
                loose.append(reply)
                return reply, [Kept(picture) for picture in reply.pictures], []
            return reply, *await kept(storage, admitted, reply)

        return await self._vendors.call(admitted, job, key, tell, settle)


def has_gone() -> bool:
    """Whether the caller was cancelled; to be asked before the next await, which would raise."""
    return anyio.current_effective_deadline() == -math.inf
