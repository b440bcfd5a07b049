"""The cases of the suite: every cell, column and failure of a bench, each with its id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from atelier.providers.core.gates.preflight import MAX_IMAGES
from atelier.providers.core.types import Model, Operation
from atelier.providers.testing.conformance.bench import (
    Bench,
    first_operation,
)
from atelier.providers.testing.conformance.columns import Change, listed, outside, unlisted
from atelier.providers.testing.conformance.failures import failures
from atelier.providers.testing.conformance.odd_bodies import ODD_BODIES

Cases = Iterator[tuple[Any, str]]


@dataclass(frozen=True, slots=True)
class Cell:
    """A place in the matrix."""

    model: Model
    operation: Operation


@dataclass(frozen=True, slots=True)
class Column:
    """An option of a row, and what is tried on it."""

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
            "a size given twice": [{"size": "1024x1024", "aspect_ratio": "1:1"}],
            "too few or too many pictures": [{"count": 0}, {"count": MAX_IMAGES + 1}],
        }
        for what, them in changes.items():
            if them:
                yield Column(row, what, tuple(them)), f"{row.id} and {what}"


def with_faults(bench: Bench) -> Cases:
    if bench.faults:
        yield bench.faults, "its own words"


def with_key(bench: Bench) -> Cases:
    if bench.faults and bench.provider.endpoint.key_variables:
        yield bench.faults, "its own words"


def one_by_one(bench: Bench) -> Cases:
    if bench.faults and bench.faults.moderated and bench.default.max_count == 1:
        yield bench.faults, "one picture a call"


def linking_elsewhere(bench: Bench) -> Cases:
    if bench.link_elsewhere:
        yield bench.link_elsewhere, "links to another host"


def delivering_one(bench: Bench) -> Cases:
    if bench.deliver_one:
        yield bench.deliver_one, "one image of two"


def odd_bodies(bench: Bench) -> Cases:
    if bench.faults:
        yield from ((change, what) for what, change in ODD_BODIES.items())


def collectable_models(bench: Bench) -> Cases:
    if bench.collectable_model:
        yield bench.collectable_model, "a task or a link"


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
    "key_faults": with_key,
    "odd": odd_bodies,
    "one_by_one": one_by_one,
    "link_elsewhere": linking_elsewhere,
    "deliver_one": delivering_one,
    "collectable_model": collectable_models,
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
