"""The data types of requests, pictures, models and endpoints. Frozen; None is the vendor's default and not sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

from atelier.providers.core.gates.option_limits import Limit
from atelier.providers.core.sizes import ResizeSpec, SizeRule, parse_size

Lookup = Callable[[str], str | None]  # the value of an environment variable; None when unset
Progress = Callable[[str], Awaitable[None]]  # receives a short message for the user
ResponseFormat = Literal["binary", "base64", "url"]  # how a program takes the images; `url` is the vendor's own link


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

    `prompt_used` is the prompt as the vendor rewrote it, or in a result the prompt as sent; `seed` is the vendor's, as
    is `url`, a link that is valid for a short time. `vendor_image` is the vendor's name of the image, by which it can
    be changed there.
    """

    image_bytes: bytes = field(repr=False)
    format: str
    width: int
    height: int
    prompt_used: str | None = field(default=None, repr=False)
    seed: int | None = None
    warning: str = ""
    name: str = field(default="", repr=False, compare=False)  # of the file that the source was read from
    url: str = field(default="", repr=False, compare=False)
    vendor_image: str | None = field(default=None, compare=False)

    @property
    def mime(self) -> str:
        """The media type of the bytes."""
        return f"image/{self.format}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """A request for images, independent of the vendor.

    `strength` is 0 (keep the source) to 1 (ignore it). `parent` is the asset id of the first source, `origin` the
    vendor that made it, which is preferred when no model is named, and `vendor_image` that vendor's name of it.
    `deliver` is the resized copy stored beside each image; it is not sent to the vendor. `response_format` is None
    where the caller did not choose. `timeout` is seconds for one vendor call, None those of the pipeline.
    `options` are `search` (what to find, for search_replace and recolor), `left`, `right`, `top` and `bottom` (pixels
    to add, for outpaint), those in the model's row, and for an unlisted model the fields of its vendor. Their values
    are texts, numbers and booleans. `applied_style` is the style of the library whose words the request has, and
    `notes` are warnings about how the request was made, for the answer.
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
    vendor_image: str | None = None
    deliver: ResizeSpec | None = None
    response_format: ResponseFormat | None = None
    timeout: float | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    applied_style: str | None = None
    notes: tuple[str, ...] = field(default=(), repr=False)


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
    are sent unchanged. `links`: the vendor can answer with links. `options` are the vendor's own, and `limits` their
    values. Source images are checked against `source_formats`, `source_rule` and `max_source_bytes`, and with the mask
    against `max_upload_bytes`; 0 means no known limit. Seeds are 0 to `max_seed`. `wire` selects the vendor's API.
    `any_value` marks an unlisted model, whose values are not checked. `pixels` are the edges of the exact sizes.
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
    links: bool = False
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
    pixels: Mapping[str, tuple[int, int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", {size: edges for size in self.sizes if (edges := parse_size(size))})


def _unset(name: str) -> str | None:
    """Return None: no variable is set."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The base URL of a vendor, and the hosts that may get the key.

    `key_variables` are tried in order; none means that no key is needed. `trusted_hosts` may get the key in addition to
    the host of `base_url` ("bfl.ai" covers its subdomains), if `base_url` is a host of the vendor.
    `base_urls` are other hosts of the same API: the variable of a key, and where that key is valid.
    `timeout` is seconds without a byte. `transport` answers in this process instead of a socket. `custom`: the base URL
    is not the vendor's. `folder_variable` names a folder of the user's files for this vendor, `folder` is its value.
    `base_path`: the end of every base URL of this API; empty if the requests contain the version.
    `key_page`: the web page on which a person makes a key.
    `variables` are further ones of the vendor, and `setting` returns the value of one, by its name without ATELIER_.
    `ambient`: credentials may come from this machine instead of a variable, so a `.env` cannot set the base URL.
    """

    base_url: str
    base_url_variable: str = ""
    key_variables: tuple[str, ...] = ()
    key_page: str = ""
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    trusted_hosts: tuple[str, ...] = ()
    base_urls: tuple[tuple[str, str], ...] = ()
    concurrency: int = 3
    timeout: float = 300.0
    custom: bool = False
    base_path: str = ""
    folder_variable: str = ""
    folder: str = ""
    variables: tuple[str, ...] = ()
    setting: Lookup = field(default=_unset, repr=False, compare=False)
    ambient: bool = False
    transport: Callable[[Any], Any] | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is a server of the user's own, which has an address but no key."""
        return bool(self.base_url_variable) and not self.key_variables

    def is_vendor_host(self, host: str) -> bool:
        """Whether a host belongs to the vendor."""
        return any(host == known or host.endswith("." + known) for known in self.trusted_hosts)

    def key(self, lookup: Lookup) -> str | None:
        """Return the first key that is set."""
        for name in self.key_variables:
            if key := lookup(name):
                return key
        return None
