"""The contract of a vendor: a `Provider` record with three functions, and further ones where the vendor has them.

prepare(job)                  builds the HTTP request without the key; no I/O
read(response, job, wire)     makes a Reply of a success; may poll or download; raises refusals with status 200
explain(response)             makes an ImageError of an error answer
complete(request, job, wire)  makes the request as it is sent, with a task to save first, by calls that cost nothing
lookup(job, wire)             returns whether the vendor has the task that `complete` named, without waiting for it
collect(job, wire)            makes a Reply of what `read` saved, after the process that sent the request has died
watch(job, wire)              reports progress beside the request, until its answer is there
cancel(job, wire)             asks the vendor to stop a task that was saved, or the request where there are no tasks

The others (`quote`, `lifecycles`, `locate`, `credentials`) are described at `Provider`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import Usage
from atelier.providers.core.types import Endpoint, ImageRequest, Model, Operation, Picture
from atelier.providers.transport.exchange import FindCredentials
from atelier.providers.transport.wire import Wire, httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request that passed every gate. Only the pipeline makes one.

    `size` is (width, height) in pixels where the caller gave it, in pixels or by ratio and tier. `task` names the
    vendor's task, once `complete` or `read` has saved it.
    """

    id: str
    request: ImageRequest
    model: Model
    endpoint: Endpoint
    size: tuple[int, int] | None = None
    task: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The images of a vendor's answer. `cost_usd` is set only where the vendor states it.

    `collectable`: some images could not be downloaded now, and `collect` may get them later.
    """

    pictures: tuple[Picture, ...]
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    collectable: bool = False


@dataclass(frozen=True, slots=True)
class Completed:
    """A request as it is sent. `task` is saved before that, where the caller and not the vendor names the task."""

    request: httpx.Request
    task: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A vendor.

    name                 its id, which is also the name of its package
    title                its name for people
    names                names that mean its `default` model
    ended_names          names of model families that the vendor has ended; they mean its `default`, with a warning
    prefixes             ids that begin with one of these are its models, listed or not
    free_path            below the base URL: a GET that costs nothing and needs a good key; empty where there is none
    free_paths           other ones, by the host where that is valid
    locate               where the base URL depends on further variables of the vendor, such as a region
    credentials          where a request needs more than a key, such as a token or a signature
    package              an optional package that the vendor needs; without it the vendor is used by name only
    collect              where an image can be collected by a vendor task or a link; see the module
    complete             where source images are uploaded first, or a request is checked against the vendor's lists
    lookup               where the caller names the task: nothing is sent again before it was looked up at the vendor
    watch                where progress has to be polled separately
    cancel               where work can be cancelled; `read` then meets its end, however it ended
    quote                where the vendor states for free what a request will cost, in USD; None for one it cannot price
    lifecycles           where the vendor publishes it: id of every served model -> the day on which that ends
    prompted_variations  it makes variations from a source and a prompt
    unlisted_operations  what an unlisted model may do besides what the listed one with the nearest id can
    unlisted_sources     how many sources an unlisted model may take, where that is more than any row takes
    unlisted             the row of an unlisted model, where no listed one tells what it takes
    qualified            its models are named `vendor/model` only, since other vendors have the same ids
    """

    name: str
    title: str
    names: tuple[str, ...]
    endpoint: Endpoint
    models: tuple[Model, ...]
    default: str
    ended_names: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    free_path: str = ""
    free_paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    locate: Callable[[Endpoint], str] | None = None
    credentials: FindCredentials | None = None
    package: str = ""
    prepare: Callable[[Job], httpx.Request]
    read: Callable[[httpx.Response, Job, Wire], Awaitable[Reply]]
    explain: Callable[[httpx.Response], ImageError]
    complete: Callable[[httpx.Request, Job, Wire], Awaitable[Completed]] | None = None
    collect: Callable[[Job, Wire], Awaitable[Reply]] | None = None
    lookup: Callable[[Job, Wire], Awaitable[bool]] | None = None
    watch: Callable[[Job, Wire], Awaitable[None]] | None = None
    cancel: Callable[[Job, Wire], Awaitable[None]] | None = None
    quote: Callable[[Job, Wire], Awaitable[Decimal | None]] | None = None
    lifecycles: Callable[[Wire, Endpoint], Awaitable[Mapping[str, date | None]]] | None = None
    prompted_variations: bool = False
    unlisted_operations: frozenset[Operation] = frozenset()
    unlisted_sources: int = 0
    unlisted: Model | None = None
    qualified: bool = False

    def model_name(self, id: str) -> str:
        """Return the name by which a caller may ask for the model."""
        return f"{self.name}/{id}" if self.qualified else id
