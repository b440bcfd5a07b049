"""Read and write a style file: Markdown whose front matter holds settings, and whose text is the words to add.

---
model: openai/gpt-image-2.5-flare
avoid: [text, watermark]
palette: ["#0b132b", "#5bc0be"]
images: [noir-1.png, "https://example.com/look.jpg"]
aspect_ratio: 16:9
---
High-contrast black and white film noir, hard shadows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from atelier.providers.core.errors import ImageError, invalid_request, sanitize

MAX_FILE_BYTES = 64 * 1024
MAX_WORDS = 4_000  # characters of the words to add
FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)(.*)", re.DOTALL | re.MULTILINE)


def _listed(value: Any) -> Any:
    """Return a list of texts; `a, b` in one line is a list, too."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list) or "" in cast("list[object]", parts):
        raise ValueError("has an empty entry; write colours that begin with # in quotes")
    return cast("list[object]", parts)


Text = Annotated[str, Field(min_length=1, max_length=200)]
Texts = Annotated[list[Annotated[str, Field(max_length=2_000)]], BeforeValidator(_listed), Field(max_length=20)]


class StyleSettings(BaseModel):
    """The front matter of a style file. Every key may be left out."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    description: Text | None = None
    avoid: Texts = []
    model: Text | None = None
    palette: Texts = []
    images: Texts = []
    aspect_ratio: Text | None = None
    quality: Text | None = None


@dataclass(frozen=True, slots=True)
class Style:
    """A style of the library: its name, its file's settings, the words to add, and the whole text of the file."""

    name: str
    settings: StyleSettings
    words: str = field(repr=False)
    text: str = field(repr=False)

    @property
    def summary(self) -> str:
        """What the style is, in one line."""
        return sanitize(self.settings.description or self.words or "no words", 120)


def parse_style(name: str, data: bytes) -> Style:
    """Return the style of a file's bytes. Raises invalid_request, which names the file and what is wrong with it."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise _unusable(name, "it is not UTF-8") from None
    found = FRONT_MATTER.match(text)
    if found is None and text.startswith("---"):
        raise _unusable(name, "its front matter has no end: a line of ---")
    words = (found[2] if found else text).strip()
    if len(words) > MAX_WORDS:
        raise _unusable(name, f"its text has more than {MAX_WORDS:,} characters")
    return Style(name, _settings(name, found[1] if found else ""), words, text)


def _settings(name: str, front_matter: str) -> StyleSettings:
    import yaml  # for the few calls that name a style

    try:
        # every value stays text: YAML would read the aspect ratio 16:9 as the number 969
        found: Any = yaml.BaseLoader(front_matter).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        position = getattr(error, "problem_mark", None)
        where = f" in line {position.line + 2}" if position else ""
        raise _unusable(name, f"its front matter is no YAML{where}") from None
    try:
        return StyleSettings.model_validate(found or {})
    except (ValidationError, RecursionError) as error:
        raise _unusable(name, _reason(error)) from None


def _reason(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "its front matter is too deep"
    first = error.errors(include_url=False, include_input=False)[0]
    key = sanitize(first["loc"][0], 40) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return f"it has “{key}”, which is none of {', '.join(StyleSettings.model_fields)}"
    if not key:
        return "its front matter has no keys with values"
    return f"“{key}” {first['msg'].removeprefix('Value error, ').removeprefix('Input ')}"


def _unusable(name: str, why: str) -> ImageError:
    message = f"The style “{name}” cannot be used: {why}."
    return invalid_request(message, f"Correct the file {name}.md of the styles.")


def style_text(settings: dict[str, Any], words: str) -> str:
    """Return the text of a style file with these settings, without those that are empty."""
    import yaml

    present = {name: value for name, value in settings.items() if value}
    front_matter = yaml.safe_dump(present, allow_unicode=True, sort_keys=False, width=1_000)
    return f"---\n{front_matter}---\n{words.strip()}\n"
