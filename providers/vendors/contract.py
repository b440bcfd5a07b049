"""The contract: a vendor is a record with three verbs, not a base class.

prepare(job)               pure: the HTTP request that asks for it; JSON or multipart is a keyword; bears no key
read(response, job, wire)  what the answer means; may poll or download; raises refusals dressed as success
explain(response)          what an error answer means, as an ImageError
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import Endpoint, ImageRequest, Model, Operation, Picture, Usage
from atelier.providers.transport.wire import Wire, httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request that passed every gate. Only the pipeline makes one.

    `size` is (width, height) in pixels where the caller fixed it, in pixels or by ratio and tier. `task` is what the
    vendor file itself noted on the wire, when a call is resumed.
    """

    id: str
    request: ImageRequest
    model: Model
    endpoint: Endpoint
    size: tuple[int, int] | None = None
    task: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a vendor's answer came to. `cost_usd` only where the vendor itself says it.

    `collectable` says that some of its pictures could not be had just now.
    """

    pictures: tuple[Picture, ...]
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    collectable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A vendor. `names` call for its `default` model; ids that begin with one of `prefixes` are its own.

    `resume`, where the work can be had later by a task or a link: what became of a call, sent by a process that has
    died since, by what `read` noted on the wire (`job.task`). `lifecycles`, where the vendor publishes it: the id
    of every model that it serves -> the day on which that ends.

    `prompted_variations`: it makes variations from a source and a prompt. `unlisted_operations` are what a model that
    is not listed may be asked for besides what its nearest listed relative offers.
    """

    name: str
    title: str
    names: tuple[str, ...]
    endpoint: Endpoint
    models: tuple[Model, ...]
    default: str
    prefixes: tuple[str, ...] = ()
    prepare: Callable[[Job], httpx.Request]
    read: Callable[[httpx.Response, Job, Wire], Awaitable[Reply]]
    explain: Callable[[httpx.Response], ImageError]
    resume: Callable[[Job, Wire], Awaitable[Reply]] | None = None
    lifecycles: Callable[[Wire, Endpoint], Awaitable[Mapping[str, date | None]]] | None = None
    prompted_variations: bool = False
    unlisted_operations: frozenset[Operation] = frozenset()
