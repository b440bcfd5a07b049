"""The record of a tool, its call and its answer. `server/mcp/results.py` turns an answer into content blocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel

from atelier.providers.core.results import ResultImage, Usage
from atelier.providers.core.types import Progress
from atelier.providers.jobs.service import ImageService
from atelier.providers.pricing.budget import Confirm
from atelier.providers.styles.library import NO_STYLES, Styles
from atelier.tools.parameters.tool_parameters import Parameters

ANSWER_BUDGET = 100 * 1024
"""Bytes of pictures that one answer may carry; in base64 they stay under the 150,000 characters that hosts allow."""


class Output(BaseModel):
    """Base of the structured part of an answer. Fields that are None are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`text` is complete without `data`, and `data` without `text`, since hosts show one or the other.

    `pictures` are attached in the order of `data.images`: a stored picture as a preview, any other inline, and every
    one whole when `whole` and they are at most `inline_limit` bytes together. `jobs` are the ids of the jobs whose
    results these are; they are marked as delivered once the answer has been written. `sheet` is a JPEG that is attached
    in place of the previews. `notice` is a part of both texts, for answers that show neither. `usage` is tokens, and
    `inline` says that the images are not kept.
    """

    text: str
    data: Output
    pictures: tuple[ResultImage, ...] = ()
    jobs: tuple[str, ...] = ()
    notice: str = ""
    usage: Usage | None = None
    inline: bool = False
    whole: bool = False
    sheet: bytes | None = None
    inline_limit: int = ANSWER_BUDGET

    def with_note(self, note: str) -> Answer:
        """Return the answer with a further warning in its text and its data."""
        warnings = [*(getattr(self.data, "warnings", None) or ()), note]
        data = self.data.model_copy(update={"warnings": warnings})
        return replace(self, text=f"{self.text}\nNote: {note}", data=data)


class OutputFiles(Protocol):
    """Writes images to files that the caller names, within the folders that the settings allow."""

    async def check(self, path: str, *, overwrite: bool) -> None:
        """Raise invalid_request when no image could be written there: called before anything is sent or billed."""
        ...

    async def write(self, path: str, images: Sequence[ResultImage], *, overwrite: bool) -> list[str]:
        """Write the images and return the paths. Raises storage_failed."""
        ...


async def confirmed(question: str) -> bool:
    """Return True: the user has confirmed the cost."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a tool: the caller's name and the callbacks to its client.

    `confirm` asks the user to confirm a cost; None when the client supports no elicitation. `confirm_price` is used in
    its place when the call has `confirm_cost`. `key` is the caller's idempotency key, None over MCP. `inline_limit` is
    how many bytes of images the answer can carry whole. `output_files` writes them where the caller says; None when the
    caller is on another machine. `styles` returns those that the caller may use.
    """

    caller: str
    on_progress: Progress
    confirm: Confirm | None = None
    confirm_price: Confirm = confirmed
    key: str | None = None
    inline_limit: int = ANSWER_BUDGET
    output_files: OutputFiles | None = None
    styles: Styles = lambda: NO_STYLES


ParametersT = TypeVar("ParametersT", bound=Parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool(Generic[ParametersT]):
    """One tool. The protocol's hints (read-only, destructive, open world) are derived from `kind`.

    creates sends a request to a vendor, may cost money, and adds pictures
    reads   looks something up and changes nothing
    deletes removes pictures for good

    `unlisted` are parameters that are accepted but not shown to models: a schema costs tokens in every turn.
    """

    name: str
    title: str
    description: str
    kind: Literal["creates", "reads", "deletes"]
    parameters: type[ParametersT]
    run: Callable[[ParametersT, ImageService, Call], Awaitable[Answer]]
    unlisted: frozenset[str] = frozenset()
