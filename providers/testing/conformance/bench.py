"""What a vendor brings to the suite: its record, an emulator, its own way to say each failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from atelier.providers.core.errors import Reason
from atelier.providers.core.types import PROMPTLESS, Feature, ImageRequest, Model, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.testing.images import png
from atelier.providers.testing.server import Emulator, Fault
from atelier.providers.vendors.contract import Provider

Body = Mapping[str, Any]

TODAY = date(2026, 11, 21)
"""The day of the tests, so that lifecycles do not change under them."""

MASKED = frozenset({Operation.INPAINT, Operation.ERASE})
PHOTO = normalise_source(png(256, 256, "orange"))
EVERYWHERE = normalise_mask(png(256, 256, "white", "L"))
SEARCHING = frozenset({Operation.SEARCH_REPLACE, Operation.RECOLOR})


def the_host_itself(host: Any) -> Emulator:
    """Where the answer comes that carries the picture, or refuses it."""
    return host


def nothing(host: Any) -> list[str]:
    """What a strict vendor drops: it refuses instead."""
    return []


def where_there_are_words(model: Model, operation: Operation) -> bool:
    return operation not in PROMPTLESS and model.max_prompt > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The vendor's own way to say each failure. `too_many` takes the seconds that the vendor asks to wait, `refused`
    the words of a 400, which the vendor may fill with what it was sent."""

    forbidden: Fault
    no_credit: Fault
    no_such_model: Fault
    too_many: Callable[[float], Fault]
    broken_server: Fault
    broken_json: Fault
    empty: Fault
    moderated: tuple[Fault, ...]
    refused: Callable[[str], Fault]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A vendor on the bench.

    `host` makes its emulator and `stage` sets it up for a test, with every row of ours served there and the
    vendor's waits cut short. `least` is the whole body that asks a model for “a fox”. Without `faults` nothing but the
    matrix is tried: there is no socket on which anything could go wrong.

    `needs_prompt` says for which cells the vendor wants words. `refuses` are rows that the vendor file itself refuses,
    with the reason. `downloads` are the beginnings of paths where pictures lie, `astray` makes the vendor link to
    another host name, `delivers` is the host whose answer carries the picture, and `dropped` the fields that the host
    threw away without a word, where it does such things. `answers_later`, of a vendor whose images can be collected by
    a task or a link: makes the host answer so, and names the row that it does it for.
    `prices` are expected prices for the figures of the vendor in prices.json, as `test_price_figures.EXPECTED`:
    models, the words of the request, USD. Without `has_prices` the vendor neither states its cost nor has figures.
    """

    provider: Provider
    host: Callable[[], Emulator]
    key: str = ""
    stage: Callable[[Any, pytest.MonkeyPatch], None]
    least: Callable[[Model], Body]
    faults: Faults | None = None
    needs_prompt: Callable[[Model, Operation], bool] = where_there_are_words
    refuses: Mapping[str, Reason] = field(default_factory=dict[str, Reason])
    downloads: tuple[str, ...] = ()
    astray: Callable[[Any], None] | None = None
    delivers: Callable[[Any], Emulator] = the_host_itself
    dropped: Callable[[Any], list[str]] = nothing
    answers_later: Callable[[Any], Model] | None = None
    prices: tuple[tuple[str, str, str], ...] = ()
    has_prices: bool = True

    @property
    def name(self) -> str:
        return self.provider.name

    @property
    def default(self) -> Model:
        """The row that a bare vendor's name means."""
        return next(row for row in self.provider.models if row.id == self.provider.default)

    def environ(self, host: Emulator, key: str = "") -> dict[str, str]:
        """The environment of someone whose vendor is the emulator."""
        endpoint = self.provider.endpoint
        keys = dict.fromkeys(endpoint.key_variables[:1], key or self.key)
        return {**keys, endpoint.base_url_variable: host.url}

    def least_request(self, model: Model, operation: Operation | None = None, **more: Any) -> ImageRequest:
        """The smallest request for a cell that the vendor can carry out; for the row's first operation unless told."""
        operation = operation or first_operation(model)
        given: dict[str, Any] = {
            "prompt": "a fox" if self.needs_prompt(model, operation) else "",
            "sources": (PHOTO,) if operation is not Operation.GENERATE else (),
            "mask": EVERYWHERE if operation in MASKED and Feature.MASK in model.features else None,
            "options": its_options(operation),
            **more,
        }
        return ImageRequest(model=f"{self.name}/{model.id}", operation=operation, **given)

    def asked_of_anyone(self, model: Model, operation: Operation) -> ImageRequest:
        """What a caller asks who takes it that this model can: whatever the operation itself needs."""
        prompt, over = "" if operation in PROMPTLESS else "a fox", EVERYWHERE if operation in MASKED else None
        return self.least_request(model, operation, prompt=prompt, mask=over)


def first_operation(model: Model) -> Operation:
    return next(operation for operation in Operation if operation in model.operations)


def its_options(operation: Operation) -> dict[str, Any]:
    """What an operation means nothing without."""
    if operation is Operation.OUTPAINT:
        return {"left": 16}
    return {"search": "the hat"} if operation in SEARCHING else {}
