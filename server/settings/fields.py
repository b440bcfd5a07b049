"""Declare every setting: its type, its default, and its meaning as docs/settings.md prints it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from atelier.providers.vendors.hosts.settings import Host
from atelier.server.observability.logs import LogLevel
from atelier.server.settings.values import (
    Address,
    Usd,
    checked_catalog,
    checked_customer,
    checked_fallback,
    checked_hosts,
    folder_prefix,
    listed_hosts,
)
from atelier.server.storage.s3_client import Addressing

JWT_SECRET = "ATELIER_JWT_SECRET"  # noqa: S105 - its name
LINK_SECRET = "ATELIER_LINK_SECRET"  # noqa: S105 - its name
STATE_URL = "ATELIER_STATE_URL"

SECRETS = {
    JWT_SECRET: "signs and checks the tokens of callers over HTTP (HS256); at least 32 bytes",
    LINK_SECRET: "signs the links to images over HTTP; at least 32 bytes, the same for every replica. "
    "Unset: a random one in the state folder",
    STATE_URL: "`postgresql://user:password@host/database` keeps jobs and money there, so that several replicas share "
    "them; needs the extra `postgres`. Unset: a SQLite file in the state folder",
}
"""Our secrets and what each is for; like the vendors' keys they are read through `lookup` and are no fields."""

CUSTOMER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$")


class SettingsFields(BaseModel):
    """One field per `ATELIER_` variable. Times are seconds, money is USD; None means what the description says."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    config: Path | None = Field(
        default=None,
        description="the configuration file, in TOML. Unset: `config.toml` in the platform's configuration folder",
    )
    dotenv: bool = Field(default=True, description="whether `.env` in the working directory is read")
    log_level: Annotated[LogLevel | None, BeforeValidator(str.lower)] = Field(
        default=None,
        description="what a server writes to stderr: `debug` (prompts too), `info` (a line for each call and each "
        "request to a vendor), `warning` or `error`. Unset: `warning`, over HTTP `info`",
    )
    output_dir: Path = Field(default=Path("~/Pictures/atelier"), description="where images are kept")
    state_dir: Path | None = Field(
        default=None,
        description="the folder for what must survive a restart: the ledger, jobs, and images that wait for their "
        "storage. Unset: the platform's folder for that",
    )
    input_dirs: tuple[Path, ...] = Field(
        default=(), description="folders whose images may be edited besides the output folder, separated as in PATH"
    )
    styles_dir: Path | None = Field(
        default=None,
        description="the folder of the [style library](styles.md). Unset: `styles` in the output folder, with S3 "
        "storage `styles/` of the bucket",
    )
    source_max_mb: float = Field(default=25.0, gt=0, le=1000, description="the largest source image, in MB")
    source_max_megapixels: float = Field(
        default=40.0, gt=0, le=100, description="the largest source image, in megapixels"
    )
    allow_http_sources: bool = Field(
        default=False,
        description="also fetch source images over plain http; addresses in private networks stay refused",
    )
    default_model: str | None = Field(
        default=None, description="the model or vendor for calls that name none. Unset: the first vendor that has a key"
    )
    hosts: Annotated[tuple[Host, ...], BeforeValidator(listed_hosts), AfterValidator(checked_hosts)] = Field(
        default=(),
        description="hosts that offer OpenAI's image API or one near it, such as OpenRouter, Azure and Together, as a "
        "JSON list; see [compatible hosts](compatible-hosts.md)",
    )
    catalog: Annotated[Path | None, AfterValidator(checked_catalog)] = Field(
        default=None,
        description="a JSON file that adds or corrects models and prices; see [models](models.md#your-own-catalog)",
    )
    budget_per_call: Usd | None = Field(
        default=None, description="the most that one call may cost, in USD. Unset: no limit"
    )
    budget_per_day: Usd | None = Field(
        default=None, description="the most that a day (UTC) may cost, in USD. Unset: no limit"
    )
    budget_per_month: Usd | None = Field(
        default=None, description="the most that a month (UTC) may cost, in USD. Unset: no limit"
    )
    confirm_above: Usd | None = Field(
        default=None, description="a call that may cost more USD than this is confirmed by you first. Unset: none is"
    )
    allow_unpriced: bool = Field(default=False, description="let models without a known price pass a budget")
    wait_seconds: float = Field(
        default=50.0,
        ge=0,
        le=3600,
        description="how long a call waits before it answers with its job's id; see [jobs](jobs.md)",
    )
    fallback: Annotated[tuple[str, ...], AfterValidator(checked_fallback)] = Field(
        default=(), description="models to try, in order, when the requested one is down, separated by commas"
    )
    queue_limit: int = Field(
        default=100, ge=0, le=10_000, description="how many calls may wait for their turn at a vendor"
    )
    rate_limit: int | None = Field(
        default=None, ge=1, le=1_000_000, description="how many calls a caller may begin in a minute. Unset: no limit"
    )
    caller_concurrency: int | None = Field(
        default=None, ge=1, le=10_000, description="how many calls of one caller run at once. Unset: no limit"
    )
    timeout_seconds: float = Field(default=300.0, gt=0, le=3600, description="how long one vendor call may take in all")
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="how many calls a vendor sees at once. Unset: the vendor's own limit, mostly 3",
    )
    retry_timeouts: bool = Field(
        default=False,
        description="repeat a call that timed out or whose connection was dropped, which may bill it twice",
    )
    storage: Literal["local", "s3"] = Field(
        default="local", description="where images are kept: `local` (the output folder) or `s3` (a bucket)"
    )
    s3_bucket: str | None = Field(default=None, description="the bucket; see [storage](storage.md)")
    s3_endpoint_url: Address | None = Field(
        default=None, description="the address of an S3-compatible store. Unset: Amazon"
    )
    s3_region: str | None = Field(
        default=None, description="the bucket's region. Unset: that of your AWS configuration, else `us-east-1`"
    )
    s3_addressing: Addressing = Field(
        default="auto",
        description="where the bucket's name goes: `virtual` (before the store's host), `path`, or `auto` (virtual for "
        "Amazon, path for others)",
    )
    s3_prefix: Annotated[str, AfterValidator(folder_prefix)] = Field(default="", description="a folder in the bucket")
    s3_public_base_url: Address | None = Field(
        default=None, description="the address at which the bucket is public, such as a CDN. Unset: links are signed"
    )
    s3_url_ttl: int = Field(
        default=86_400,
        ge=1,
        le=604_800,
        description="how many seconds a signed link to the bucket works; at most 7 days",
    )
    customer_id: Annotated[str, Field(pattern=CUSTOMER.pattern), AfterValidator(checked_customer)] = Field(
        default="1",
        description="who spends, in the ledger, and whose images these are, in the bucket: letters, digits and "
        "`. _ @ -`, or a number above 0. Over HTTP the token names the caller",
    )
    link_ttl: int = Field(
        default=86_400, ge=1, le=31_536_000, description="how many seconds a link to an image works over HTTP"
    )
    jwks_url: Address | None = Field(
        default=None, description="the https address of an identity provider's keys, in place of `ATELIER_JWT_SECRET`"
    )
    jwt_issuer: str | None = Field(default=None, description="what `iss` of a token must be. Unset: not checked")
    jwt_audience: str | None = Field(default=None, description="what `aud` of a token must be. Unset: not checked")
    tools: tuple[str, ...] = Field(
        default=(),
        description="the tools to serve, separated by commas, as in `generate_image,get_image`. Unset: all but "
        "`delete_image`, which is served only when it is named",
    )
    preview: Literal["auto", "small", "off"] = Field(
        default="auto", description="`small` (256 pixels, 12 kB) or `off`, for hosts that paste previews as text; see "
        "[hosts](hosts.md)",
    )  # fmt: skip
    preview_pixels: int = Field(
        default=768, ge=160, le=1568, description="the long edge of a single preview; several are smaller"
    )
    structured_content: bool = Field(
        default=True, description="`off` leaves out `structuredContent`, for hosts that hide the preview because of it"
    )
    resource_links: bool = Field(
        default=False, description="add a link block for each image, which some hosts cannot read"
    )
    otel_prompts: bool = Field(
        default=False,
        description="put prompts in the spans that a server exports; see [tracing](deploy.md#tracing-and-logs)",
    )

    @field_validator("fallback", "tools", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("input_dirs", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part for part in value.split(os.pathsep) if part.strip()] if isinstance(value, str) else value
