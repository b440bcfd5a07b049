"""The environment, read once into a frozen model. README lists every variable with its meaning."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.catalog.catalog_overlay import with_file
from atelier.providers.core.environment import OWN, own_variables, variable
from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.pricing.budget import Caps
from atelier.providers.vendors.registry import all_providers
from atelier.server.http.callers import is_customer
from atelier.server.storage.s3_client import Addressing, Bucket, without_bucket

PREFIX = OWN

JWT_SECRET = "ATELIER_JWT_SECRET"  # noqa: S105 - its name
"""The one secret of ours; like the vendors' keys it is read through `lookup` and is no field."""

CUSTOMER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$")

STATE = {
    "win32": ("LOCALAPPDATA", "~/AppData/Local"),
    "darwin": ("", "~/Library/Application Support"),
}.get(sys.platform, ("XDG_STATE_HOME", "~/.local/state"))
"""The variable that names the system's folder for state, and where that is without it."""

MUST = {
    "bool_parsing": "be on or off",
    "float_parsing": "be a number",
    "int_parsing": "be a whole number",
    "decimal_parsing": "be a number of USD",
    "string_pattern_mismatch": "be an address that begins with http:// or https://",
    "literal_error": "be local or s3",
}
"""What a value should be, where the validator's own words speak of types."""

NAMED = {
    "customer_id": "be letters, digits and . _ @ - only, and a number be above 0",
    "s3_addressing": "be auto, virtual or path",
}
"""The same for single settings."""


def _sound(file: Path | None) -> Path | None:
    """A catalogue file that is wrong stops the start with its own sentence, not the first call."""
    if file:
        with_file(all_providers(), file)
    return file


def _known(models: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """The same for a name that is no model's, whatever the one that is may turn out to be unable to do."""
    catalog = Catalog(lambda name: None, load=lambda: with_file(all_providers(), info.data.get("catalog")))
    for name in models:
        try:
            catalog.resolve(name)
        except ImageError as error:
            message = f"ATELIER_FALLBACK is wrong: no model is called “{sanitize(name, 60)}”."
            raise ImageError(Reason.INVALID_REQUEST, message, hint=error.hint) from None
    return models


def _customer(id: str) -> str:
    if not is_customer(id):
        raise ValueError("not above 0")
    return id


Usd = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Address = Annotated[str, Field(pattern=r"^https?://[^/\s]+\S*$")]


def _folder(prefix: str) -> str:
    """A prefix of keys as that of a folder."""
    return f"{prefix.strip('/')}/" if prefix.strip("/") else ""


class Settings(BaseModel):
    """One field per `ATELIER_` variable; the vendors' keys and addresses are read through `lookup`.

    Times are seconds, money is USD. `concurrency` None leaves each vendor its own limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    output_dir: Path = Field(default=Path("~/Pictures/atelier"))
    state_dir: Path | None = None
    input_dirs: tuple[Path, ...] = ()
    source_max_mb: float = Field(default=25.0, gt=0, le=1000)
    source_max_megapixels: float = Field(default=40.0, gt=0, le=100)
    allow_http_sources: bool = False
    default_model: str | None = None
    catalog: Annotated[Path | None, AfterValidator(_sound)] = None
    budget_per_call: Usd | None = None
    budget_per_day: Usd | None = None
    budget_per_month: Usd | None = None
    confirm_above: Usd | None = None
    allow_unpriced: bool = False
    wait_seconds: float = Field(default=50.0, ge=0, le=3600)
    fallback: Annotated[tuple[str, ...], AfterValidator(_known)] = ()
    queue_limit: int = Field(default=100, ge=0, le=10_000)
    timeout_seconds: float = Field(default=300.0, gt=0, le=3600)
    concurrency: int | None = Field(default=None, ge=1, le=100)
    retry_timeouts: bool = False
    storage: Literal["local", "s3"] = "local"
    s3_bucket: str | None = None
    s3_endpoint_url: Address | None = None
    s3_region: str | None = None
    s3_addressing: Addressing = "auto"
    s3_prefix: Annotated[str, AfterValidator(_folder)] = ""
    s3_public_base_url: Address | None = None
    s3_url_ttl: int = Field(default=86_400, ge=1, le=604_800)
    customer_id: Annotated[str, Field(pattern=CUSTOMER.pattern), AfterValidator(_customer)] = "1"
    jwks_url: Address | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    structured_content: bool = True
    resource_links: bool = False

    @field_validator("fallback", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("input_dirs", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part for part in value.split(os.pathsep) if part.strip()] if isinstance(value, str) else value

    _environ: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def caps(self) -> Caps:
        """What may be spent at most."""
        return Caps(per_call=self.budget_per_call, per_day=self.budget_per_day, per_month=self.budget_per_month)

    def lookup(self, name: str) -> str | None:
        """A variable's value by its name, secrets included; they are never part of a repr."""
        return variable(self._environ, name)

    @property
    def pictures(self) -> Path:
        """The folder for pictures, absolute."""
        return _absolute(self.output_dir, "ATELIER_OUTPUT_DIR")

    @property
    def readable(self) -> tuple[Path, ...]:
        """The folders that source pictures may come from, absolute."""
        return (self.pictures, *(_absolute(folder, "ATELIER_INPUT_DIRS") for folder in self.input_dirs))

    @property
    def state(self) -> Path:
        """The folder for what must survive a restart, absolute; the system's own place for that unless set."""
        return _absolute(self.state_dir or Path(self.lookup(STATE[0]) or STATE[1]) / "atelier", "ATELIER_STATE_DIR")

    @property
    def bucket(self) -> Bucket:
        """Where S3 storage goes. Raises invalid_request when no bucket is named."""
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
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables. Raises invalid_request with the name of the one that is wrong."""
        names = {field: PREFIX + field.upper() for field in cls.model_fields}
        found = {field: value for field, name in names.items() if (value := variable(environ, name)) is not None}
        try:
            settings = cls.model_validate(found)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            must = NAMED.get(str(first["loc"][0])) or MUST.get(
                first["type"], first["msg"].removeprefix("Input should ").lower()
            )
            message = f"{names[str(first['loc'][0])]} is wrong: it should {must}."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Correct it or leave it out.") from None
        settings._environ = dict(environ)  # noqa: SLF001 - its own
        return settings


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return a sentence for each `ATELIER_` variable that means nothing here, with the most similar name that does.

    The vendors are loaded only where a variable is none of the settings.
    """
    settings = [JWT_SECRET, *(PREFIX + name.upper() for name in Settings.model_fields)]
    others = {name for name in environ if name.startswith(PREFIX) and name.removesuffix("_FILE") not in settings}
    if not others:
        return []
    known = [*settings, *(name for provider in all_providers() for name in own_variables(provider.endpoint))]
    sentences = list[str]()
    for name in sorted(name for name in others if name.removesuffix("_FILE") not in known):
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        sentences.append(f"{name} is not a setting of this version{f'; perhaps {near[0]}' if near else ''}.")
    return sentences


def _absolute(path: Path, variable: str) -> Path:
    try:
        return path.expanduser().absolute()
    except (RuntimeError, OSError):  # no home folder is known, or the working directory has gone
        message = f"The folder {path} leads nowhere on this machine."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=f"Set {variable} to an absolute path.") from None
