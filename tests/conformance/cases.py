"""What the suite is tried on: every cell, column and failure of a bench, each with the words that it goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from atelier.providers.core.errors import Reason
from atelier.providers.core.gates.option_gates import SIDES
from atelier.providers.core.gates.option_limits import Limit
from atelier.providers.core.gates.preflight import MAX_IMAGES
from atelier.providers.core.sizes import parse_size
from atelier.providers.core.types import Feature, Model, Operation
from atelier.providers.vendors.registry import all_providers
from tests.conformance.bench import EVERYWHERE, PHOTO, Bench, Faults, first_operation, the_host_itself
from tests.emulators.server import Answer, Drip, Dropped, Emulator, Fault, Slow

Cases = Iterator[tuple[Any, str]]
Change = Mapping[str, Any]

TODAYS = tuple(row for provider in all_providers() for row in provider.models)

WORDS = {
    "aspect_ratio": "aspect_ratios",
    "resolution": "resolutions",
    "quality": "qualities",
    "style": "styles",
    "background": "backgrounds",
    "output_format": "formats",
}
"""Field of a request -> column of a row, where a value is a word."""

SWITCHES: dict[Feature, Change] = {
    Feature.NEGATIVE_PROMPT: {"negative_prompt": "fog"},
    Feature.SEED: {"seed": 7},
    Feature.STRENGTH: {"strength": 0.5},
    Feature.COMPRESSION: {"compression": 50, "output_format": "jpeg"},
    Feature.MASK: {"mask": EVERYWHERE},
}


COMPANIONS = {"light_source_strength": {"light_source_direction": "above"}}
"""Options that a vendor takes only together with another one."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A place in the matrix."""

    model: Model
    operation: Operation


@dataclass(frozen=True, slots=True)
class Column:
    """An option of a row, and what is asked of it."""

    model: Model
    option: str
    changes: tuple[Change, ...]


def name_of(operation: Operation) -> str:
    return operation.value.replace("_", " ")


def offered(bench: Bench) -> Cases:
    for row in bench.provider.models:
        for operation in Operation:
            if operation in row.operations and row.id not in bench.refuses:
                yield Cell(row, operation), f"{row.id} can {name_of(operation)}"


def missing(bench: Bench) -> Cases:
    for row in bench.provider.models:
        for operation in Operation:
            if operation not in row.operations:
                yield Cell(row, operation), f"{row.id} cannot {name_of(operation)}"


def generating(bench: Bench) -> Cases:
    for cell, _ in offered(bench):
        if cell.operation is Operation.GENERATE:
            yield cell.model, cell.model.id


def own_refusals(bench: Bench) -> Cases:
    for row in bench.provider.models:
        if row.id in bench.refuses:
            yield row, row.id


def fading(bench: Bench) -> Cases:
    for row in bench.provider.models:
        if row.lifecycle.stage != "current":
            yield row, row.id


def listed(row: Model) -> dict[str, list[Change]]:
    """Option -> every value that a row offers, as changes to a request; words for the default are left out."""
    found: dict[str, list[Change]] = {
        field: [{field: value} for value in getattr(row, column) if value not in ("auto", "opaque")]
        for field, column in WORDS.items()
    }
    found["size"] = [{"size": value} for value in row.sizes if value != "auto"]
    for feature in sorted(row.features):  # in one order, whichever process collects them
        found[feature] = [SWITCHES[feature]]
    for limit in row.limits:
        found[limit.option] = [
            {"options": {limit.option: value, **COMPANIONS.get(limit.option, {})}}
            for value in within(limit)
            if value or limit.option not in SIDES  # 0 is a side that does not grow
        ]
    if row.max_sources:
        found["images"] = [{"sources": (PHOTO,) * row.max_sources}]
    return {option: changes for option, changes in found.items() if changes}


def within(limit: Limit) -> list[Any]:
    """The outermost values that a limit allows."""
    match limit.kind:
        case "switch":
            return [True, False]
        case "words":
            return list(limit.words)
        case "text":
            return ["x", "x" * int(limit.maximum)]
        case "whole":
            return [int(limit.minimum), int(limit.maximum)]
        case "number":
            return [limit.minimum, limit.maximum]


def outside(limit: Limit) -> list[Any]:
    """Values that it does not allow: beyond an end, of another kind, or none at all."""
    match limit.kind:
        case "switch":
            return ["true", 1, 0, None]
        case "words":
            return ["no-such-word", "", 1, True, limit.words[0].upper()]
        case "text":
            return ["", "x" * int(limit.maximum + 1), 1, True]
        case "whole":
            return [int(limit.minimum) - 1, int(limit.maximum) + 1, limit.minimum + 0.5, "1", True, float("nan")]
        case "number":
            return [limit.minimum - 0.01, limit.maximum + 0.01, "1", True, float("nan"), float("inf"), {"a": 1}]


def unlisted(row: Model) -> dict[str, list[Change]]:
    """Option -> what some row offers, or none does, and this one does not."""
    found: dict[str, list[Change]] = {
        field: [{field: value} for value in (*all_of(column), "no-such-word") if value not in getattr(row, column)]
        for field, column in WORDS.items()
    }
    if not row.aspect_ratios:  # it may be computed from pixels, if these are not too far apart
        found["aspect_ratio"] = [{"aspect_ratio": "777:1"}]
    found["size"] = [{"size": size} for size in (*all_of("sizes"), "17x19") if not takes(row, size)]
    for feature in Feature:
        if feature not in row.features:
            found[feature] = [{name: value for name, value in SWITCHES[feature].items() if name != "output_format"}]
    strange = {option for other in TODAYS for option in other.options} | {"no_such_option"}
    found["options"] = [{"options": {option: 1}} for option in sorted(strange - row.options)]
    found["images"] = [{"sources": (PHOTO,) * (row.max_sources + 1)}]
    if row.max_prompt == 0:
        found["prompt"] = [{"prompt": "a fox"}]
    return {option: changes for option, changes in found.items() if changes}


def all_of(column: str) -> list[str]:
    """Every value that some row has in a column."""
    return sorted({value for row in TODAYS for value in getattr(row, column)})


def takes(row: Model, size: str) -> bool:
    edges = parse_size(size)
    return size in row.sizes or bool(edges and row.size_rule and row.size_rule.allows(*edges))


def taken(bench: Bench) -> Cases:
    for row in bench.provider.models:
        for option, changes in listed(row).items() if row.id not in bench.refuses else ():
            yield Column(row, option, tuple(changes)), f"{row.id} takes {option}"


def untaken(bench: Bench) -> Cases:
    for row in bench.provider.models:
        for option, changes in unlisted(row).items():
            yield Column(row, option, tuple(changes)), f"{row.id} and {option}"


def limited(bench: Bench) -> Cases:
    for row in bench.provider.models:
        if row.limits:
            changes = [{"options": {limit.option: value}} for limit in row.limits for value in outside(limit)]
            yield Column(row, "options", tuple(changes)), f"{row.id} and values beyond its limits"


def malformed(bench: Bench) -> Cases:
    for row in bench.provider.models:
        changes: dict[str, list[Change]] = {
            "no prompt": [{"prompt": " "}] if bench.needs_prompt(row, first_operation(row)) else [],
            "a prompt too long": [{"prompt": "x" * (row.max_prompt + 1)}] if row.max_prompt else [],
            "a size that is none": [{"size": "large"}, {"size": "0x0"}],
            "a size said twice": [{"size": "1024x1024", "aspect_ratio": "1:1"}],
            "too few or too many pictures": [{"count": 0}, {"count": MAX_IMAGES + 1}],
        }
        for what, them in changes.items():
            if them:
                yield Column(row, what, tuple(them)), f"{row.id} and {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What goes wrong for good at `where`, and what is to be told of it. `unknown` is whether the vendor may have
    billed; None where vendors differ."""

    fault: Fault
    reason: Reason
    again: bool = False
    unknown: bool | None = False
    deadline: float = 30.0
    where: Callable[[Any], Emulator] = the_host_itself


def failures(bench: Bench) -> Cases:
    if bench.faults is None:
        return
    yield from as_a_gateway_says_it()
    yield from as_the_vendor_says_it(bench, bench.faults)
    yield from without_an_answer()
    if bench.delivers is not the_host_itself:
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
    yield Failure(fault=Slow(1), reason=late, unknown=True, deadline=0.5), "silence"
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


def with_faults(bench: Bench) -> Cases:
    if bench.faults:
        yield bench.faults, "its own words"


def one_by_one(bench: Bench) -> Cases:
    if bench.faults and bench.default.max_count == 1:
        yield bench.faults, "one picture a call"


def led_astray(bench: Bench) -> Cases:
    if bench.astray:
        yield bench.astray, "links to another host"


def answering_later(bench: Bench) -> Cases:
    if bench.answers_later:
        yield bench.answers_later, "a task or a link"


CASES: dict[str, Callable[[Bench], Cases]] = {
    "offered": offered,
    "missing": missing,
    "generating": generating,
    "own_refusal": own_refusals,
    "fading": fading,
    "taken": taken,
    "untaken": untaken,
    "limited": limited,
    "malformed": malformed,
    "failure": failures,
    "faults": with_faults,
    "one_by_one": one_by_one,
    "astray": led_astray,
    "answers_later": answering_later,
}
"""Argument of a test -> what it is given, for each bench."""


def row_of(bench: Bench, case: Any) -> Model:
    """Return the row that a case is about; a failure is tried on the vendor's default model."""
    match case:
        case Model():
            return case
        case Cell() | Column():
            return case.model
        case _:
            return bench.default


def kind_of(case: Any) -> str:
    """Return what is tried on the row: an operation, an option, or one thing alone."""
    match case:
        case Cell():
            return case.operation.value
        case Column():
            return case.option
        case _:
            return ""


def with_speed(bench: Bench, cases: Cases) -> Iterator[tuple[Any, str, bool]]:
    """Yield each case, its words, and whether it is in the fast part: the whole row of the vendor's default model, and
    the first case of every other kind."""
    found = list(cases)
    kinds = {kind_of(case) for case, _ in found if row_of(bench, case) is bench.default}
    for case, words in found:
        is_fast = row_of(bench, case) is bench.default or kind_of(case) not in kinds
        kinds.add(kind_of(case))
        yield case, words, is_fast
