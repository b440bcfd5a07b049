"""The nouns. Frozen; absent is None and means the vendor's default, which stays off the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

from atelier.providers.core.gates.option_limits import Limit
from atelier.providers.core.sizes import ResizeSpec, SizeRule

Lookup = Callable[[str], str | None]  # a setting by its variable's name; None when unset
Progress = Callable[[str], Awaitable[None]]  # where a short human word on progress goes


class Operation(StrEnum):
    """What can be done to a picture. Everything but `generate` needs a source picture."""

    GENERATE = "generate"
    EDIT = "edit"
    INPAINT = "inpaint"
    OUTPAINT = "outpaint"
    ERASE = "erase"
    REMOVE_BACKGROUND = "remove_background"
    REPLACE_BACKGROUND = "replace_background"
    SEARCH_REPLACE = "search_replace"
    RECOLOR = "recolor"
    UPSCALE = "upscale"
    VARIATION = "variation"


PROMPTLESS = frozenset(
    {Operation.ERASE, Operation.UPSCALE, Operation.REMOVE_BACKGROUND, Operation.OUTPAINT, Operation.VARIATION}
)
"""Operations that may go without a prompt."""


class Feature(StrEnum):
    """Options that a model either takes or does not; those with values have a column of their own in `Model`."""

    NEGATIVE_PROMPT = "negative_prompt"
    SEED = "seed"
    STRENGTH = "strength"
    COMPRESSION = "output_compression"
    MASK = "mask"


@dataclass(frozen=True, slots=True)
class Picture:
    """Encoded bytes that were looked at: `format` (png, jpeg, webp, gif) and size come from the content, not a name.

    `prompt_used` is the vendor's rewriting of the prompt, in a result else the prompt as sent; `seed` the vendor's own.
    """

    image_bytes: bytes = field(repr=False)
    format: str
    width: int
    height: int
    prompt_used: str | None = field(default=None, repr=False)
    seed: int | None = None
    warning: str = ""
    name: str = field(default="", repr=False, compare=False)  # of the file that a source was read from

    @property
    def mime(self) -> str:
        """The media type of the bytes."""
        return f"image/{self.format}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """What is wanted, in our words.

    `strength` is 0 (keep the source) to 1 (ignore it). `parent` is the id of the picture that the first source is
    and `origin` the vendor that made it, who is asked first when no model is named. `deliver` is the copy that is kept
    beside each picture; no vendor hears of it.
    `options` are rarer ones: `search` (what to find, for search_replace and recolor), `left`, `right`, `top` and
    `bottom` (pixels to add, for outpaint), those that the model's row lists, and for a model that is not listed the
    fields of its vendor. Their values are words, numbers and switches.
    """

    operation: Operation = Operation.GENERATE
    prompt: str = field(default="", repr=False)
    model: str | None = None
    count: int = 1
    size: str | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    output_format: str | None = None
    compression: int | None = None
    negative_prompt: str | None = field(default=None, repr=False)
    seed: int | None = None
    sources: tuple[Picture, ...] = ()
    mask: Picture | None = None
    strength: float | None = None
    parent: str | None = None
    origin: str | None = None
    deliver: ResizeSpec | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Where a model stands. `on` is the first day it no longer works (deprecated) or stopped working (retired)."""

    stage: Literal["current", "deprecated", "retired"] = "current"
    on: date | None = None
    successor: str | None = None

    def at(self, today: date) -> Literal["current", "deprecated", "retired"]:
        """The stage on a given day: a deprecated row dies by itself."""
        if self.stage == "deprecated" and self.on is not None and self.on <= today:
            return "retired"
        return self.stage


CURRENT = Lifecycle()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One row of the matrix. An empty column means: not offered, and refused by name.

    `sizes` are exact sizes and words such as "auto"; `size_rule` adds free ones. `max_count` is pictures per
    vendor call, `max_prompt` characters. `aliases` are other names of ours, `snapshots` the vendor's dated ids, which
    are sent as they were asked for. `options` are the vendor's own, `limits` what their values may be. A source
    picture is of `source_formats` and `source_rule` and has `max_source_bytes`, all of a request with the mask
    `max_upload_bytes`; 0 is no known limit. Seeds are 0 to `max_seed`. `any_value` marks a model that is not listed,
    whose values are not checked.
    """

    id: str
    aliases: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    operations: frozenset[Operation]
    sizes: tuple[str, ...] = ()
    size_rule: SizeRule | None = None
    aspect_ratios: tuple[str, ...] = ()
    resolutions: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    features: frozenset[Feature] = frozenset()
    options: frozenset[str] = frozenset()
    limits: tuple[Limit, ...] = ()
    max_count: int = 1
    max_sources: int = 0
    source_formats: tuple[str, ...] = ("png", "jpeg", "webp")
    source_rule: SizeRule | None = None
    max_source_bytes: int = 0
    max_upload_bytes: int = 0
    max_seed: int = 2**32 - 1
    max_prompt: int = 32_000
    wire: str = ""
    lifecycle: Lifecycle = CURRENT
    any_value: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a vendor answers and who may see the key.

    `key_variables` are tried in order; without any, no key is needed. `trusted_hosts` may see the key besides the host
    of a vendor's own `base_url` ("bfl.ai" covers its subdomains). `timeout` is seconds without a byte. `transport`
    answers in this process in place of a socket. `custom`: the base URL is not the vendor's. `base_path`: what every
    base URL of this API ends in; empty where requests have a version.
    """

    base_url: str
    base_url_variable: str = ""
    key_variables: tuple[str, ...] = ()
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    trusted_hosts: tuple[str, ...] = ()
    concurrency: int = 3
    timeout: float = 300.0
    custom: bool = False
    base_path: str = ""
    transport: Callable[[Any], Any] | None = None

    def is_vendor_host(self, host: str) -> bool:
        """Whether a host is one that the vendor itself is known to use."""
        return any(host == known or host.endswith("." + known) for known in self.trusted_hosts)

    def key(self, lookup: Lookup) -> str | None:
        """The first key that is set."""
        return next((key for name in self.key_variables if (key := lookup(name))), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the vendor counted them."""

    input_tokens: int = 0
    output_tokens: int = 0
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetHandle:
    """The handle of a kept picture: `path` on this machine, `url` where one exists; `warning` if not where meant."""

    id: str
    path: str | None = None
    url: str | None = None
    warning: str = ""


@dataclass(frozen=True, slots=True)
class ResultImage:
    """A picture of a result: its bytes, its handle unless the caller took it in hand, and the copy that was wanted."""

    picture: Picture
    stored: AssetHandle | None = None
    copy: ResultImage | None = None

    @property
    def image_bytes(self) -> bytes:
        """The encoded picture."""
        return self.picture.image_bytes

    @property
    def format(self) -> str:
        """png, jpeg, webp or gif."""
        return self.picture.format

    @property
    def prompt_used(self) -> str | None:
        """The prompt as the vendor rewrote it, else as it was sent; None where none was sent."""
        return self.picture.prompt_used


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """What came of a request. Money in USD; None where it is not known. `notice` is to be read first."""

    id: str
    images: tuple[ResultImage, ...]
    provider: str
    model: str
    usage: Usage | None = None
    estimated_usd: Decimal | None = None
    actual_usd: Decimal | None = None
    notice: str = ""
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    inline: bool = False  # its images are stored only until it is delivered
