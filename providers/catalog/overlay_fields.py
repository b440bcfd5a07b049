"""The smaller parts of a user's catalogue file: words, size rules, option limits and lifecycles, all strict."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NAME = r"^[a-z0-9]+(?:[._/:-][a-z0-9]+)*$"
"""An id or alias: lower case, because names are looked up in lower case."""

Name = Annotated[str, Field(pattern=NAME, max_length=100)]
Words = tuple[Annotated[str, Field(min_length=1, max_length=60)], ...]
Edge = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]


class Strict(BaseModel):
    """A part that refuses unknown keys and converts nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Rule(Strict):
    """The columns of `core.sizes.SizeRule`."""

    step: Edge = 1
    min_edge: Edge = 1
    max_edge: Edge
    min_pixels: Edge = 1
    max_pixels: Edge
    max_ratio: Annotated[float, Field(ge=1, allow_inf_nan=False)]


class Bound(Strict):
    """The columns of `core.gates.option_limits.Limit`; the file calls the ends of a range `least` and `most`."""

    option: Annotated[str, Field(min_length=1, max_length=60)]
    kind: Literal["number", "whole", "text", "words", "switch"]
    minimum: Annotated[float, Field(allow_inf_nan=False, alias="least")] = 0
    maximum: Annotated[float, Field(allow_inf_nan=False, alias="most")] = 0
    words: Words = ()

    @model_validator(mode="after")
    def _allows_something(self) -> Bound:
        low, high = self.minimum, self.maximum
        empty = {"number": high <= low, "whole": high < low, "text": high < 1}
        if empty.get(self.kind, False) or (self.kind == "words" and not self.words):
            raise ValueError("a limit that no value is within")
        return self


class Life(Strict):
    """The columns of `core.types.Lifecycle`."""

    stage: Literal["current", "deprecated", "retired"]
    on: date | None = None
    successor: Name | None = None

    @model_validator(mode="after")
    def _ends(self) -> Life:
        if self.stage == "current" and (self.on or self.successor):
            raise ValueError("a current model has neither a day on which it ends nor a successor")
        return self
