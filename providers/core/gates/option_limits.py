"""The values that a vendor's own options accept. Models list them, because vendors may ignore or clamp bad values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The values that a vendor accepts for one option.

    A number or whole number is `minimum` to `maximum`; a text has at most `maximum` characters; a word is one of
    `words`; a switch is true or false.
    """

    option: str
    kind: Literal["number", "whole", "text", "words", "switch"]
    minimum: float = 0
    maximum: float = 0
    words: tuple[str, ...] = ()

    def allows(self, value: object) -> bool:
        """Whether the vendor accepts this value unchanged."""
        match self.kind:
            case "switch":
                return isinstance(value, bool)
            case "words":
                return value in self.words
            case "text":
                return isinstance(value, str) and 0 < len(value) <= self.maximum
            case "whole":
                return isinstance(value, int) and not isinstance(value, bool) and self.minimum <= value <= self.maximum
            case "number":
                if isinstance(value, bool) or not isinstance(value, int | float):
                    return False
                return self.minimum <= value <= self.maximum

    @property
    def summary(self) -> str:
        """The option and its values in short form: `steps 1-50`."""
        match self.kind:
            case "switch":
                return f"{self.option} true/false"
            case "words":
                return f"{self.option} {'/'.join(self.words)}"
            case "text":
                return self.option
            case "whole" | "number":
                return f"{self.option} {self.minimum:g}-{self.maximum:g}"

    def __str__(self) -> str:
        match self.kind:
            case "switch":
                return "true or false"
            case "words":
                return " or ".join(self.words)
            case "text":
                return f"text of up to {self.maximum:,.0f} characters"
            case "whole":
                return f"{self.minimum:.0f} to {self.maximum:.0f}, whole"
            case "number":
                return f"{self.minimum:g} to {self.maximum:g}"


def number(option: str, minimum: float, maximum: float) -> Limit:
    """Return the limit of a number."""
    return Limit(option=option, kind="number", minimum=minimum, maximum=maximum)


def whole(option: str, minimum: int, maximum: int) -> Limit:
    """Return the limit of a whole number."""
    return Limit(option=option, kind="whole", minimum=minimum, maximum=maximum)


def text(option: str, maximum: int) -> Limit:
    """Return the limit of a free text, in characters."""
    return Limit(option=option, kind="text", maximum=maximum)


def one_of(option: str, *words: str) -> Limit:
    """Return the limit of an option that is one of these words."""
    return Limit(option=option, kind="words", words=words)


def switch(option: str) -> Limit:
    """Return the limit of a boolean option."""
    return Limit(option=option, kind="switch")


def option_columns(*limits: Limit) -> dict[str, Any]:
    """Return the columns `options` and `limits` of a model that accepts exactly these options."""
    return {"options": frozenset(limit.option for limit in limits), "limits": limits}
