"""prices.json: its shape, how it is read, and what of it concerns one model. Gathered 2026-11-20 and 2026-11-29.

    sources   where figures come from; an entry names one and its own date
    rows      USD of a picture, a successful call, a megapixel, or a source picture
    rates     USD of a million tokens
    tokens    how many tokens a picture takes, exactly, as a range, or by a formula
    usual     what a vendor takes when the request leaves it open
    same      vendors that serve the models of another one at its prices

The first entry that covers the request counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from atelier.providers.core.types import Model

HOST_ENTRY = "hosts"
"""The source of prices that a user states in ATELIER_HOSTS. One of 0 does not make the host's other models free."""


def _day(text: str) -> str:
    if not re.fullmatch(r"20\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", text):
        raise ValueError("a date should be a year, a month or a day, as in 2027, 2027-01 or 2027-01-31")
    return text


Day = Annotated[str, AfterValidator(_day)]
Usd = Annotated[Decimal, Field(ge=0, le=10_000)]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Word = Annotated[str, Field(min_length=1, max_length=60)]


class Strict(BaseModel):
    """A part of the table that refuses unknown keys and converts nothing: a mistake would show as a wrong bill."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


SourceKind = Literal[
    "vendor_doc", "vendor_spec", "package", "third_party_checked", "reseller", "third_party", "ours", "unverified"
]
"""How reliable a source is, the most reliable first."""


class Source(Strict):
    """Where figures come from; `kind` is how reliable it is."""

    what: str
    date: Day
    kind: SourceKind


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of options of an image. None where the model offers no choice."""

    quality: str | None = None
    resolution: str | None = None
    size: str | None = None


class Figure(Strict):
    """The fields of every entry: vendor, models, source and date. `note` is shown with an estimate."""

    provider: str
    models: Annotated[tuple[Word, ...], Field(min_length=1)]
    source: Word
    as_of: Day
    note: str = ""


class PriceEntry(Figure):
    """A figure that may depend on options of the image. An absent dimension is any, "a|b" is either."""

    quality: Word | None = None
    resolution: Word | None = None
    size: Word | None = None

    @property
    def cell(self) -> Cell:
        """The dimensions."""
        return Cell(self.quality, self.resolution, self.size)

    def covers(self, cell: Cell) -> bool:
        """Return whether the figure applies to a cell."""
        for own, value in ((self.quality, cell.quality), (self.resolution, cell.resolution), (self.size, cell.size)):
            if own is not None and value not in own.split("|"):
                return False
        return True


class Price(PriceEntry):
    """USD of a unit: a picture, one paid in credits, a call however few pictures are wanted of it, the first megapixel,
    or a source picture."""

    unit: Literal["per_image", "credits", "per_call", "per_megapixel", "per_source"]
    usd: Usd
    usd_further: Annotated[Usd | None, Field(description="Each megapixel after the first, going in or out.")] = None

    @model_validator(mode="after")
    def _further(self) -> Price:
        if (self.usd_further is not None) != (self.unit == "per_megapixel"):
            raise ValueError("usd_further belongs to per_megapixel, and to nothing else")
        return self


class Rates(Figure):
    """USD of a million tokens of each kind. An absent rate is not published; cached ones are of what was read before.

    A model that has no rate of its own for a kind does not bill it (facts of 2026-11-20).
    """

    text_input: Usd
    text_cached: Usd | None = None
    image_input: Usd
    image_cached: Usd | None = None
    text_output: Usd | None = None
    image_output: Usd


class Tokens(PriceEntry):
    """Tokens that a picture takes, by exactly one of `tokens`, `grid` and `rule`.

    `of`: the output image; each partial picture of a stream; a source picture; what is added to the prompt;
    text and thoughts that come out beside a picture. `tokens` alone is exact; with `tokens_min` or `tokens_max` it is
    the likely one of a range; where it is absent the upper end is. `grid` is the side of OpenAI's formula, `times` the
    lowest and highest factor of its result. `rule` counts a source picture by its size; `text` is what
    it adds to the prompt.
    """

    of: Literal["output", "partial", "source", "prompt", "text", "thought"] = "output"
    tokens: Count | None = None
    tokens_min: Count | None = None
    tokens_max: Count | None = None
    grid: Annotated[int | None, Field(ge=1, le=1000)] = None
    times: tuple[Count, Count] = (1, 1)
    rule: Literal["patches", "tiles"] | None = None
    text: Count = 0

    @model_validator(mode="after")
    def _one_way(self) -> Tokens:
        exact = self.tokens is not None or self.tokens_max is not None
        if exact + (self.grid is not None) + (self.rule is not None) != 1:
            raise ValueError("tokens are given by tokens or tokens_max, by grid, or by rule")
        if exact and not self.lowest <= self.likely <= self.highest:
            raise ValueError("tokens_min, tokens and tokens_max should not fall")
        if self.times[0] > self.times[1]:
            raise ValueError("times should not fall")
        return self

    @property
    def highest(self) -> int:
        """The highest number of tokens."""
        return self.tokens_max if self.tokens_max is not None else self.tokens or 0

    @property
    def likely(self) -> int:
        """The likely number; the highest where only a range is known."""
        return self.tokens if self.tokens is not None else self.highest

    @property
    def lowest(self) -> int:
        """The lowest number."""
        return self.tokens_min if self.tokens_min is not None else self.likely


class Usual(PriceEntry):
    """The option that a vendor chooses itself. `certain` where it is the documented default, else only likely."""

    certain: bool = False


class Figures(Strict):
    """The sections; all of prices.json but its date, and what a catalogue file may add to them."""

    sources: dict[Word, Source] = {}
    rows: tuple[Price, ...] = ()
    rates: tuple[Rates, ...] = ()
    tokens: tuple[Tokens, ...] = ()
    usual: tuple[Usual, ...] = ()


class Prices(Figures):
    """The whole table. `as_of` is the day on which it was gathered; a vendor in `same` costs what another one does."""

    as_of: Day
    same: dict[Word, Word] = {}

    @model_validator(mode="after")
    def _sourced(self) -> Prices:
        if missing := {figure.source for figure in figures(self)} - set(self.sources):
            raise ValueError(f"no such source: {', '.join(sorted(missing))}")
        return self

    def of(self, provider: str, model: Model) -> Figures:
        """Return the entries of one model. A dated id without an entry costs what its model does."""
        id = model.id
        if not any(figure.provider == provider and id in figure.models for figure in figures(self)):
            provider = self.same.get(provider, provider)
        if id in model.snapshots:
            named = {name for figure in figures(self) if figure.provider == provider for name in figure.models}
            id = max((name for name in named if f"{id}-".startswith(f"{name}-")), key=len, default=id)
        vendors = [row for row in self.rows if row.provider == provider and row.source != HOST_ENTRY]
        if model.any_value and vendors and not any(row.usd for row in vendors):  # a free vendor's other models
            id = vendors[0].models[0]

        def own(entries: tuple[Kind, ...]) -> tuple[Kind, ...]:
            found = list[Kind]()
            for entry in entries:
                if entry.provider == provider and id in entry.models:
                    found.append(entry)
            return tuple(found)

        return Figures.model_construct(  # the entries were validated with the table
            sources={}, rows=own(self.rows), rates=own(self.rates), tokens=own(self.tokens), usual=own(self.usual)
        )


Kind = TypeVar("Kind", bound=Figure)


def figures(sections: Figures) -> Iterable[Figure]:
    """Return every entry of every section."""
    return (*sections.rows, *sections.rates, *sections.tokens, *sections.usual)


@cache
def table() -> Prices:
    """Return the shipped prices, which are read once."""
    return Prices.model_validate_json(Path(__file__).with_name("prices.json").read_bytes())
