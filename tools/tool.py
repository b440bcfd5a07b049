"""What a tool is: a record. What it answers: words, data and pictures; content blocks are made elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from atelier.providers.core.types import Progress, ResultImage
from atelier.providers.jobs.service import ImageService
from atelier.providers.pricing.budget import Confirm

ANSWER_BUDGET = 100 * 1024
"""Bytes of pictures that one answer may carry; in base64 they stay under the 150,000 characters that hosts allow."""


class Parameters(BaseModel):
    """What a caller may say; anything else is refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Output(BaseModel):
    """The structured part of an answer; absent fields are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`text` is complete without `data`, and `data` without `text`, since hosts show one or the other.

    `pictures` ride along in the order of `data.images`: a preview of what is stored, else the picture itself. `job` is
    the one whose result this is, so that it can be marked as delivered.
    """

    text: str
    data: Output
    pictures: tuple[ResultImage, ...] = ()
    job: str | None = None


async def _always(question: str) -> bool:
    """The user has been asked already."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who calls, and how they are spoken with while a tool works. `confirm` is None where nobody can be asked;
    `confirm_price` answers in its place when the call says with `confirm_cost` that the user has agreed.

    `key` is what the caller names this call by, so that it can be made again without being paid for again.
    """

    caller: str
    on_progress: Progress
    confirm: Confirm | None = None
    confirm_price: Confirm = _always
    key: str | None = None


Asked = TypeVar("Asked", bound=Parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool(Generic[Asked]):
    """One tool. `kind` says what it does to the world: the protocol's hints are derived from it.

    draws   sends a request to a vendor, may cost money, and adds pictures
    reads   looks something up and changes nothing
    """

    name: str
    title: str
    description: str
    kind: Literal["draws", "reads"]
    parameters: type[Asked]
    output: type[Output]
    run: Callable[[Asked, ImageService, Call], Awaitable[Answer]]
