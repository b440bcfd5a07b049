"""Describes a vendor to the suite: its record, an emulator, and how it reports each failure."""

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


def same_host(host: Any) -> Emulator:
    """Return the host itself: its answer has the image, or the refusal."""
    return host


def nothing(host: Any) -> list[str]:
    """Return nothing: a strict vendor refuses unknown fields instead of dropping them."""
    return []


def no_name(model: Model) -> str:
    """Return nothing: the vendor changes any image."""
    return ""


def takes_prompt(model: Model, operation: Operation) -> bool:
    return operation not in PROMPTLESS and model.max_prompt > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The vendor's answer for each failure. `too_many` takes the seconds to wait, `refused` the message of a 400, which
    may quote the request."""

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
    """A vendor and what the suite needs to know of it.

    host               makes its emulator
    stage              sets the emulator up for a test: it serves every row, and polls are not waited for
    minimal_body       returns the whole body for the prompt “a fox”
    faults             its answers for failures; None for a vendor without a socket, of which only options are tried
    needs_prompt       returns whether the vendor requires a prompt for an operation
    refuses            rows that the adapter itself refuses, with the reason
    sent_anyway        what the vendor's adapter sends for an option that the request leaves open
    vendor_image       returns the vendor's name of the source, for rows that change only images that the vendor made
    variables          returns the variables by which a key is given, where that is not the key itself
    downloads          prefixes of the paths that do not get the key, such as those of images behind links
    link_elsewhere     makes the vendor link to another host name
    deliver_one        makes the host deliver one image of those that a call ordered, without an error
    delivers           returns the host whose answer has the image
    as_prepared        returns a body that was sent without what `complete` added, such as an id of the caller's own
    dropped            returns the fields that the host ignored silently, if it does that
    collectable_model  makes the host answer with a task or link that can be collected; returns the model to ask for
    prices             expected prices of the vendor's figures in prices.json: models, words of the request, USD
    settings           further variables, such as the entry of a compatible host
    has_prices         False if the vendor neither states its cost nor has figures
    """

    provider: Provider
    host: Callable[[], Emulator]
    key: str = ""
    stage: Callable[[Any, pytest.MonkeyPatch], None]
    minimal_body: Callable[[Model], Body]
    faults: Faults | None = None
    needs_prompt: Callable[[Model, Operation], bool] = takes_prompt
    sent_anyway: Mapping[str, Any] = field(default_factory=dict[str, Any])
    vendor_image: Callable[[Model], str] = no_name
    refuses: Mapping[str, Reason] = field(default_factory=dict[str, Reason])
    variables: Callable[[Any, str], Mapping[str, str]] | None = None
    downloads: tuple[str, ...] = ()
    link_elsewhere: Callable[[Any], None] | None = None
    deliver_one: Callable[[Any], None] | None = None
    delivers: Callable[[Any], Emulator] = same_host
    as_prepared: Callable[[bytes], bytes] | None = None
    dropped: Callable[[Any], list[str]] = nothing
    collectable_model: Callable[[Any], Model] | None = None
    prices: tuple[tuple[str, str, str], ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    has_prices: bool = True

    @property
    def name(self) -> str:
        return self.provider.name

    @property
    def default(self) -> Model:
        """The row that a bare vendor's name means."""
        return next(row for row in self.provider.models if row.id == self.provider.default)

    def environ(self, host: Emulator, key: str = "") -> dict[str, str]:
        """Return the environment with the key, the emulator's base URL and the bench's settings."""
        endpoint = self.provider.endpoint
        keys: Mapping[str, str] = dict.fromkeys(endpoint.key_variables[:1], key or self.key)
        if self.variables:
            keys = self.variables(host, key or self.key)
        return {**keys, endpoint.base_url_variable: host.url, **self.settings}

    def minimal_request(self, model: Model, operation: Operation | None = None, **more: Any) -> ImageRequest:
        """Return the smallest request that the model accepts, by default for its first operation."""
        operation = operation or first_operation(model)
        given: dict[str, Any] = {
            "prompt": "a fox" if self.needs_prompt(model, operation) else "",
            "sources": (PHOTO,) if operation is not Operation.GENERATE else (),
            "mask": EVERYWHERE if operation in MASKED and Feature.MASK in model.features else None,
            "options": required_options(operation),
            **self._named_source(model),
            **more,
        }
        return ImageRequest(model=f"{self.name}/{model.id}", operation=operation, **given)

    def _named_source(self, model: Model) -> dict[str, str]:
        name = self.vendor_image(model)
        return {"origin": self.name, "vendor_image": name} if name else {}

    def request_of_any_caller(self, model: Model, operation: Operation) -> ImageRequest:
        """Return a request for the operation, whether or not the model supports it."""
        prompt, over = "" if operation in PROMPTLESS else "a fox", EVERYWHERE if operation in MASKED else None
        return self.minimal_request(model, operation, prompt=prompt, mask=over)


def first_operation(model: Model) -> Operation:
    return next(operation for operation in Operation if operation in model.operations)


def required_options(operation: Operation) -> dict[str, Any]:
    """Return the options that an operation requires."""
    if operation is Operation.OUTPAINT:
        return {"left": 16}
    return {"search": "the hat"} if operation in SEARCHING else {}
