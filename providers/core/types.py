"""The data types of requests, models and results. Frozen; None means the vendor's default, which is not sent."""

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

Lookup = Callable[[str], str | None]  # the value of an environment variable; None when unset
Progress = Callable[[str], Awaitable[None]]  # receives a short message for the user


class Operation(StrEnum):
    """What a vendor can do. All but `generate` need a source image."""

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
"""Operations that work without a prompt."""


class Feature(StrEnum):
    """Options that a model supports or not; options with a list of values have a column of their own in `Model`."""

    NEGATIVE_PROMPT = "negative_prompt"
    SEED = "seed"
    STRENGTH = "strength"
    COMPRESSION = "output_compression"
    MASK = "mask"


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded image; `format` (png, jpeg, webp, gif) and size are read from its bytes.

    `prompt_used` is the prompt as the vendor rewrote it, or in a result the prompt as sent; `seed` is the vendor's.
    """

    image_bytes: bytes = field(repr=False)
    format: str
    width: int
    height: int
    prompt_used: str | None = field(default=None, repr=False)
    seed: int | None = None
    warning: str = ""
    name: str = field(default="", repr=False, compare=False)  # of the file that the source was read from

    @property
    def mime(self) -> str:
        """The media type of the bytes."""
        return f"image/{self.format}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """A request for images, independent of the vendor.

    `strength` is 0 (keep the source) to 1 (ignore it). `parent` is the asset id of the first source, and `origin` the
    vendor that made it, which is preferred when no model is named. `deliver` is the resized copy stored beside each
    image; it is not sent to the vendor.
    `options` are `search` (what to find, for search_replace and recolor), `left`, `right`, `top` and `bottom` (pixels
    to add, for outpaint), those in the model's row, and for an unlisted model the fields of its vendor. Their values
    are texts, numbers and booleans.
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
    """The lifecycle of a model. `on` is the first day on which it does not work."""

    stage: Literal["current", "deprecated", "retired"] = "current"
    on: date | None = None
    successor: str | None = None

    def at(self, today: date) -> Literal["current", "deprecated", "retired"]:
        """Return the stage on a given day; a deprecated model is retired from the day `on`."""
        if self.stage == "deprecated" and self.on is not None and self.on <= today:
            return "retired"
        return self.stage


CURRENT = Lifecycle()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What one model supports. An option whose column is empty is refused by name.

    `sizes` are exact sizes and words such as "auto"; `size_rule` adds ranges of sizes. `max_count` counts images per
    vendor call, `max_prompt` characters. `aliases` are Atelier's other names, `snapshots` the vendor's dated ids, which
    are sent unchanged. `options` are the vendor's own, and `limits` their values. Source images are checked against
    `source_formats`, `source_rule` and `max_source_bytes`, and with the mask against `max_upload_bytes`; 0 means no
    known limit. Seeds are 0 to `max_seed`. `wire` selects the vendor's API. `any_value` marks an unlisted model, whose
    values are not checked.
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
    """The base URL of a vendor, and the hosts that may get the key.

    `key_variables` are tried in order; none means that no key is needed. `trusted_hosts` may get the key in addition to
    the host of `base_url` ("bfl.ai" covers its subdomains), if `base_url` is a host of the vendor.
    `timeout` is seconds without a byte. `transport` answers in this process instead of a socket. `custom`: the base URL
    is not the vendor's. `base_path`: the end of every base URL of this API; empty if the requests contain the version.
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
        """Whether a host belongs to the vendor."""
        return any(host == known or host.endswith("." + known) for known in self.trusted_hosts)

    def key(self, lookup: Lookup) -> str | None:
        """Return the first key that is set."""
        return next((key for name in self.key_variables if (key := lookup(name))), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The token counts in the vendor's answer."""

    input_tokens: int = 0
    output_tokens: int = 0
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetHandle:
    """Where an asset is stored: `path` on this machine, or `url`; `warning` if not in the configured storage."""

    id: str
    path: str | None = None
    url: str | None = None
    warning: str = ""


@dataclass(frozen=True, slots=True)
class ResultImage:
    """An image of a result: its bytes, its asset unless it is an inline result, and its resized copy, if any."""

    picture: Picture
    stored: AssetHandle | None = None
    copy: ResultImage | None = None

    @property
    def image_bytes(self) -> bytes:
        """The encoded image."""
        return self.picture.image_bytes

    @property
    def format(self) -> str:
        """png, jpeg, webp or gif."""
        return self.picture.format

    @property
    def prompt_used(self) -> str | None:
        """The prompt as the vendor rewrote it, else as sent; None if none was sent."""
        return self.picture.prompt_used


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """The result of a request. Costs in USD, None if unknown. `notice` is shown before everything else."""

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
