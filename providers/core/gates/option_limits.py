"""What a value of a vendor's own option may be. Rows hold these as data, since vendors drop or clamp without a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One option: a number or a whole number from `least` to `most`, a text of up to `most` characters, one of some
    words, or a switch."""

    option: str
    kind: Literal["number", "whole", "text", "words", "switch"]
    least: float = 0
    most: float = 0
    words: tuple[str, ...] = ()

    def allows(self, value: object) -> bool:
        """Whether the vendor takes this value as it is."""
        match self.kind:
            case "switch":
                return isinstance(value, bool)
            case "words":
                return value in self.words
            case "text":
                return isinstance(value, str) and 0 < len(value) <= self.most
            case "whole":
                return isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most
            case "number":
                if isinstance(value, bool) or not isinstance(value, int | float):
                    return False
                return self.least <= value <= self.most

    @property
    def brief(self) -> str:
        """The option with what it takes, in as few characters as say it: `steps 1-50`."""
        match self.kind:
            case "switch":
                return f"{self.option} true/false"
            case "words":
                return f"{self.option} {'/'.join(self.words)}"
            case "text":
                return self.option
            case "whole" | "number":
                return f"{self.option} {self.least:g}-{self.most:g}"

    def __str__(self) -> str:
        match self.kind:
            case "switch":
                return "true or false"
            case "words":
                return " or ".join(self.words)
            case "text":
                return f"text of up to {self.most:,.0f} characters"
            case "whole":
                return f"{self.least:.0f} to {self.most:.0f}, whole"
            case "number":
                return f"{self.least:g} to {self.most:g}"


def number(option: str, least: float, most: float) -> Limit:
    """Any number within these bounds."""
    return Limit(option=option, kind="number", least=least, most=most)


def whole(option: str, least: int, most: int) -> Limit:
    """A whole number within these bounds."""
    return Limit(option=option, kind="whole", least=least, most=most)


def text(option: str, most: int) -> Limit:
    """Words of the caller's own, of up to so many characters."""
    return Limit(option=option, kind="text", most=most)


def one_of(option: str, *words: str) -> Limit:
    """One of these words."""
    return Limit(option=option, kind="words", words=words)


def switch(option: str) -> Limit:
    """true or false."""
    return Limit(option=option, kind="switch")


def taking(*limits: Limit) -> dict[str, Any]:
    """The columns of a row that takes these options and no others."""
    return {"options": frozenset(limit.option for limit in limits), "limits": limits}
