"""The settings: the environment, `.env` and a configuration file, read once into a frozen model.

README lists every variable with its meaning; `config_files` reads the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
)

from atelier.providers.core.environment import OWN_PREFIX, variable
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.pricing.budget import Caps
from atelier.providers.vendors.hosts.settings import Host, require_addresses
from atelier.server.observability.logs import LogLevel
from atelier.server.settings.config_files import Notice, Source, read_sources, state_folder
from atelier.server.settings.values import (
    MUST,
    NAMED,
    Address,
    Usd,
    checked_catalog,
    checked_customer,
    checked_fallback,
    checked_hosts,
    folder_prefix,
    listed_hosts,
)
from atelier.server.storage.s3_client import Addressing, Bucket, without_bucket

PREFIX = OWN_PREFIX

JWT_SECRET = "ATELIER_JWT_SECRET"  # noqa: S105 - its name
LINK_SECRET = "ATELIER_LINK_SECRET"  # noqa: S105 - its name
STATE_URL = "ATELIER_STATE_URL"

SECRETS = (JWT_SECRET, LINK_SECRET, STATE_URL)
"""Our secrets; like the vendors' keys they are read through `lookup` and are no fields."""

CUSTOMER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$")


class Settings(BaseModel):
    """One field per `ATELIER_` variable; the vendors' keys and addresses are read through `lookup`.

    Times are seconds, money is USD. `concurrency` None leaves each vendor its own limit, `log_level` None each
    transport. `config` and `dotenv` choose the files that `load` reads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    config: Path | None = None
    dotenv: bool = True
    log_level: Annotated[LogLevel | None, BeforeValidator(str.lower)] = None
    output_dir: Path = Field(default=Path("~/Pictures/atelier"))
    state_dir: Path | None = None
    input_dirs: tuple[Path, ...] = ()
    source_max_mb: float = Field(default=25.0, gt=0, le=1000)
    source_max_megapixels: float = Field(default=40.0, gt=0, le=100)
    allow_http_sources: bool = False
    default_model: str | None = None
    hosts: Annotated[tuple[Host, ...], BeforeValidator(listed_hosts), AfterValidator(checked_hosts)] = ()
    catalog: Annotated[Path | None, AfterValidator(checked_catalog)] = None
    budget_per_call: Usd | None = None
    budget_per_day: Usd | None = None
    budget_per_month: Usd | None = None
    confirm_above: Usd | None = None
    allow_unpriced: bool = False
    wait_seconds: float = Field(default=50.0, ge=0, le=3600)
    fallback: Annotated[tuple[str, ...], AfterValidator(checked_fallback)] = ()
    queue_limit: int = Field(default=100, ge=0, le=10_000)
    rate_limit: int | None = Field(default=None, ge=1, le=1_000_000)
    caller_concurrency: int | None = Field(default=None, ge=1, le=10_000)
    timeout_seconds: float = Field(default=300.0, gt=0, le=3600)
    concurrency: int | None = Field(default=None, ge=1, le=1000)
    retry_timeouts: bool = False
    storage: Literal["local", "s3"] = "local"
    s3_bucket: str | None = None
    s3_endpoint_url: Address | None = None
    s3_region: str | None = None
    s3_addressing: Addressing = "auto"
    s3_prefix: Annotated[str, AfterValidator(folder_prefix)] = ""
    s3_public_base_url: Address | None = None
    s3_url_ttl: int = Field(default=86_400, ge=1, le=604_800)
    customer_id: Annotated[str, Field(pattern=CUSTOMER.pattern), AfterValidator(checked_customer)] = "1"
    link_ttl: int = Field(default=86_400, ge=1, le=31_536_000)
    jwks_url: Address | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    tools: tuple[str, ...] = ()
    preview: Literal["auto", "small", "off"] = "auto"
    preview_pixels: int = Field(default=768, ge=160, le=1568)
    structured_content: bool = True
    resource_links: bool = False
    otel_prompts: bool = False

    @field_validator("fallback", "tools", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("input_dirs", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part for part in value.split(os.pathsep) if part.strip()] if isinstance(value, str) else value

    _sources: tuple[Source, ...] = PrivateAttr(default=())
    _output_is_readable: bool = PrivateAttr(default=True)

    @property
    def caps(self) -> Caps:
        """The limits on what is spent."""
        return Caps(per_call=self.budget_per_call, per_day=self.budget_per_day, per_month=self.budget_per_month)

    def lookup(self, name: str) -> str | None:
        """A variable's value by its name, secrets included; they are never part of a repr."""
        for source in self._sources:
            if (value := variable(source.values, name)) is not None:
                return value
        return None

    @property
    def pictures(self) -> Path:
        """The folder for pictures, absolute."""
        return _absolute(self.output_dir, "ATELIER_OUTPUT_DIR")

    @property
    def readable(self) -> tuple[Path, ...]:
        """The folders that source pictures may come from, absolute.

        An output folder that `.env` sets outside its own folder is not among them: it could be the user's home.
        """
        own = (self.pictures,) if self._output_is_readable else ()
        return (*own, *(_absolute(folder, "ATELIER_INPUT_DIRS") for folder in self.input_dirs))

    @property
    def state(self) -> Path:
        """The folder for what must survive a restart, absolute; by default the platform's folder for state."""
        return _absolute(self.state_dir or state_folder(), "ATELIER_STATE_DIR")

    @property
    def bucket(self) -> Bucket:
        """The bucket of S3 storage. Raises invalid_request when no bucket is named."""
        if not self.s3_bucket:
            message = "ATELIER_STORAGE is s3, but ATELIER_S3_BUCKET is not set."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Name the bucket, or set ATELIER_STORAGE to local.")
        endpoint = self.s3_endpoint_url or self.lookup("AWS_ENDPOINT_URL_S3") or self.lookup("AWS_ENDPOINT_URL")
        store, addressing = without_bucket(endpoint, self.s3_bucket, self.s3_addressing)
        return Bucket(
            name=self.s3_bucket,
            endpoint_url=store,
            addressing=addressing,
            region=self.s3_region,
            prefix=self.s3_prefix,
            public_base_url=self.s3_public_base_url,
            url_ttl=self.s3_url_ttl,
        )

    @classmethod
    def load(cls, notice: Notice = lambda sentence: None, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment, `.env` and the configuration file; the environment comes first.

        `notice` gets a sentence for each variable that is not used. Raises invalid_request, which names what is wrong.
        """
        names = [*(variable_of(field) for field in cls.model_fields), *SECRETS]
        return cls.from_sources(read_sources(environ, names, notice))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables of a mapping and no file, for a program that embeds the server. Raises as `load`."""
        return cls.from_sources((Source(environ),))

    @classmethod
    def from_sources(cls, sources: tuple[Source, ...]) -> Settings:
        """Take each setting from the first source that has it. Raises invalid_request with the name of a wrong one."""
        found, places = dict[str, str](), dict[str, Source]()
        for field in cls.model_fields:
            for source in sources:
                if (value := source.get(variable_of(field))) is not None:
                    found[field], places[field] = value, source
                    break
        try:
            settings = cls.model_validate(found)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = str(first["loc"][0])
            must = NAMED.get(field) or MUST.get(first["type"], first["msg"].removeprefix("Input should ").lower())
            message = f"{places[field].called(variable_of(field))} is wrong: it should {must}."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Correct it or leave it out.") from None
        settings._sources = tuple(replace(source, values=dict(source.values)) for source in sources)  # noqa: SLF001
        require_addresses(settings.hosts, settings.lookup)
        output = places.get("output_dir")
        settings._output_is_readable = output is None or output.may_read(settings.pictures)  # noqa: SLF001
        return settings


def variable_of(field: str) -> str:
    """Return the variable of a field."""
    return PREFIX + field.upper()


def _absolute(path: Path, variable: str) -> Path:
    try:
        return path.expanduser().absolute()
    except (RuntimeError, OSError):  # no home folder is known, or the working directory has gone
        message = f"The folder {path} cannot be resolved."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=f"Set {variable} to an absolute path.") from None
