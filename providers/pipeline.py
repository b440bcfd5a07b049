"""One image request, from the question to the pictures.

    admit      resolve the model, pass the gates       no I/O
    key        look the key up                         no I/O, after the gates
    dispatch   prepare -> wire.send -> read
    settle     every picture to storage, then the result

`prepare` is public and makes the same request that `dispatch` fires, because there is one way to make it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Protocol, Self

import anyio

from atelier.providers.catalog import Catalog, Choice
from atelier.providers.core import gates
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.ids import new_id
from atelier.providers.core.provider import Job, Reply
from atelier.providers.core.types import ImageRequest, ImageResult, Kept, Picture, Stored, Tell, Usage
from atelier.providers.core.wire import Wire, client, httpx


class Storage(Protocol):
    """Where pictures are kept."""

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> Stored:
        """Keep a picture, whole or not at all, with the record of how it came to be. Raises storage_failed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A job, who does it, and what the caller should know beforehand."""

    choice: Choice
    job: Job
    warnings: tuple[str, ...]


async def silence(message: str) -> None:
    """Progress for nobody."""


class Pipeline:
    """The one way from a request to pictures. An async context manager: leaving it closes the connections.

    Without a storage the pictures stay in the caller's hand. `timeout` is seconds for one job at the vendor,
    `concurrency` how many jobs of this process a vendor sees at once (its own limit unless set).
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: Storage | None = None,
        *,
        timeout: float = 300.0,
        concurrency: int | None = None,
        retry_timeouts: bool = False,
    ) -> None:
        self.catalog = catalog
        self._storage = storage
        self._timeout = timeout
        self._concurrency = concurrency
        self._retry_timeouts = retry_timeouts
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._turns: dict[str, anyio.Semaphore] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._clients:
            await self._clients.popitem()[1].aclose()

    def prepare(self, request: ImageRequest) -> httpx.Request:
        """The request that `run` would fire, unfired. It bears no key, and needs none."""
        admitted = self.admit(request)
        return admitted.choice.provider.prepare(admitted.job)

    async def run(self, request: ImageRequest, *, in_hand: int = 0, tell: Tell = silence) -> ImageResult:
        """Make the pictures and keep them. Raises ImageError, and then nothing was stored.

        `in_hand` is how many bytes the caller takes instead of having them stored; pictures that exceed it together
        are stored after all, because a paid picture is never thrown away.
        """
        admitted = self.admit(request)
        key = self._key(admitted)
        reply = await self._dispatch(admitted, key, tell)
        return await self._settle(admitted, reply, in_hand)

    def admit(self, request: ImageRequest) -> Admitted:
        """Who does it, if it can be done at all. Raises before any I/O."""
        choice = self.catalog.resolve(request.model)
        fading = gates.alive(choice.model, choice.endpoint, self.catalog.today())
        size = gates.admit(request, choice.model)
        sent = f"Sent as size {size[0]}x{size[1]}: {choice.model.id} takes sizes, not ratios." if size else ""
        return Admitted(
            choice=choice,
            job=Job(id=new_id("job"), request=request, model=choice.model, endpoint=choice.endpoint, size=size),
            warnings=tuple(w for w in (fading, "" if request.size else sent) if w),
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
        return key

    async def _dispatch(self, admitted: Admitted, key: str | None, tell: Tell) -> Reply:
        provider, job = admitted.choice.provider, admitted.job
        limit = self._concurrency or job.endpoint.concurrency
        turn = self._turns.setdefault(provider.name, anyio.Semaphore(limit))
        if turn.value == 0:
            await tell(f"Waiting for a turn at {provider.title}.")
        async with turn:
            await tell(f"{provider.title} is drawing with {job.model.id}.")
            wire = Wire(
                self._client(provider.name, job),
                job.endpoint,
                provider.explain,
                key=key,
                secrets=tuple(s for s in (key, job.request.prompt, job.request.negative_prompt) if s),
                deadline=self._timeout,
                retry_timeouts=self._retry_timeouts,
            )
            response = await wire.send(provider.prepare(job))
            return await provider.read(response, job, wire)

    def _client(self, name: str, job: Job) -> httpx.AsyncClient:
        if name not in self._clients:
            self._clients[name] = client(job.endpoint)
        return self._clients[name]

    async def _settle(self, admitted: Admitted, reply: Reply, in_hand: int) -> ImageResult:
        warnings = [*admitted.warnings, *reply.warnings]
        small = sum(len(picture.image_bytes) for picture in reply.pictures) <= in_hand
        if in_hand and not small:
            warnings.append("Stored all the same: too large to hand over within an answer.")
        images = list[Kept]()
        for picture in reply.pictures:
            stored = None
            if self._storage and not small:
                id = new_id("img")
                try:
                    with anyio.CancelScope(shield=True):  # it is paid for: kept even when the caller has gone
                        stored = await self._storage.put(id, picture, _record(id, admitted, reply, picture))
                except ImageError as error:  # and handed over rather than lost
                    warnings.append(f"Not stored: {error.message} {error.hint}".strip())
            images.append(Kept(picture, stored))
        return ImageResult(
            id=admitted.job.id,
            images=tuple(images),
            provider=admitted.choice.provider.name,
            model=admitted.job.model.id,
            usage=reply.usage,
            actual_usd=reply.cost_usd,
            notice=admitted.choice.notice,
            warnings=tuple(warnings),
            details=reply.details,
        )


ASKED = (
    "size",
    "aspect_ratio",
    "resolution",
    "quality",
    "style",
    "background",
    "output_format",
    "compression",
)
"""Options that a record tells as they were asked, so that a picture can be asked for again."""


def _record(id: str, admitted: Admitted, reply: Reply, picture: Picture) -> dict[str, Any]:
    """What is written beside a picture. Money in USD, for this picture alone."""
    request = admitted.job.request
    asked = {name: value for name in ASKED if (value := getattr(request, name)) is not None}
    share = reply.cost_usd / len(reply.pictures) if reply.cost_usd is not None else None
    return {
        "id": id,
        "job": admitted.job.id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "operation": request.operation.value,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "prompt_used": picture.prompt_used,
        "provider": admitted.choice.provider.name,
        "model": admitted.job.model.id,
        "seed": picture.seed if picture.seed is not None else request.seed,
        "asked": asked,
        "width": picture.width,
        "height": picture.height,
        "mime": picture.mime,
        "bytes": len(picture.image_bytes),
        "estimated_usd": None,
        "actual_usd": _usd(share),
        "usage": _tokens(reply.usage),
        "parent": request.parent,
        "details": dict(reply.details),
    }


def _tokens(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, **usage.details}


def _usd(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
