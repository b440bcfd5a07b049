"""What can go wrong with a vendor's answer, and the error that a caller must get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from atelier.providers.core.errors import Reason
from atelier.providers.testing.conformance.bench import Bench, Faults, same_host
from atelier.providers.testing.server import Answer, Drip, Dropped, Emulator, Fault, Slow

Cases = Iterator[tuple[Any, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What goes wrong for good at `where`, and what the caller reads of it. `unknown` is whether the vendor may have
    billed; None where vendors differ."""

    fault: Fault
    reason: Reason
    again: bool = False
    unknown: bool | None = False
    deadline: float = 30.0
    where: Callable[[Any], Emulator] = same_host


def failures(bench: Bench) -> Cases:
    if bench.faults is None:
        return
    yield from as_a_gateway_says_it()
    yield from as_the_vendor_says_it(bench, bench.faults)
    yield from without_an_answer()
    if bench.delivers is not same_host:
        yield from after_the_order(bench)


def as_a_gateway_says_it() -> Cases:
    """Errors of what stands between us and the vendor, not in the vendor's words."""
    for status, reason in (
        (401, Reason.AUTHENTICATION),
        (402, Reason.QUOTA_EXCEEDED),
        (403, Reason.AUTHENTICATION),
        (404, Reason.UNKNOWN_MODEL),
        (429, Reason.RATE_LIMITED),
        (500, Reason.PROVIDER_UNAVAILABLE),
        (502, Reason.PROVIDER_UNAVAILABLE),
    ):
        fault = Answer(status, b"<html>No.</html>", {"content-type": "text/html", "retry-after": "0"})
        lost = status >= 500  # the vendor behind it may have done the work
        yield Failure(fault=fault, reason=reason, again=status == 429, unknown=lost), f"a gateway's {status}"
    empty = Answer(200, b"[]")
    yield Failure(fault=empty, reason=Reason.INVALID_RESPONSE, unknown=True), "JSON of another shape"


def as_the_vendor_says_it(bench: Bench, faults: Faults) -> Cases:
    busy, down = Reason.RATE_LIMITED, Reason.PROVIDER_UNAVAILABLE
    yield Failure(fault=faults.forbidden, reason=Reason.AUTHENTICATION), "the vendor's 403"
    yield Failure(fault=faults.no_credit, reason=Reason.QUOTA_EXCEEDED), "no credit left"
    yield Failure(fault=faults.no_such_model, reason=Reason.UNKNOWN_MODEL), "the vendor's 404"
    yield Failure(fault=faults.refused("No."), reason=Reason.INVALID_REQUEST), "the vendor's 400"
    yield Failure(fault=faults.too_many(0), reason=busy, again=True), "the vendor's 429"
    yield Failure(fault=faults.broken_server, reason=down, again=True), "the vendor's 500"
    yield Failure(fault=faults.broken_json, reason=Reason.INVALID_RESPONSE, unknown=True), "broken JSON"
    yield Failure(fault=faults.empty, reason=Reason.INVALID_RESPONSE, unknown=True), "an empty answer"
    for number, fault in enumerate(faults.moderated, 1):
        failure = Failure(fault=fault, reason=Reason.CONTENT_POLICY, unknown=None, where=bench.delivers)
        yield failure, f"moderation of kind {number}"


def without_an_answer() -> Cases:
    """Whatever the vendor: it has the request by then, and may bill it."""
    late, cut = Reason.TIMEOUT, Reason.NETWORK_ERROR
    yield Failure(fault=Slow(1), reason=late, unknown=True, deadline=0.5), "no answer"
    yield Failure(fault=Drip(every=0.05, length=20), reason=late, unknown=True, deadline=0.5), "a drip"
    yield Failure(fault=Dropped(), reason=cut, unknown=True), "a broken connection"
    yield Failure(fault=Dropped(midway=True), reason=cut, unknown=True), "an answer broken off"


def after_the_order(bench: Bench) -> Cases:
    """The same where the picture is fetched from another host: it is ordered by then, and never ordered again."""
    for fault, reason, what in (
        (Answer(500, b"<html>No.</html>"), Reason.PROVIDER_UNAVAILABLE, "a delivery that fails with 500"),
        (Answer(200, b'{"st'), Reason.INVALID_RESPONSE, "a delivery in broken JSON"),
        (Dropped(), Reason.NETWORK_ERROR, "a delivery that breaks off"),
    ):
        yield Failure(fault=fault, reason=reason, unknown=True, where=bench.delivers), what
