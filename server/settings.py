"""The environment, read once into a frozen model. README lists every variable with its meaning."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from atelier.providers.core.environment import variable
from atelier.providers.core.errors import ImageError, Reason

PREFIX = "ATELIER_"

MUST = {"bool_parsing": "be on or off", "float_parsing": "be a number", "int_parsing": "be a whole number"}
"""What a value should be, where the validator's own words speak of types."""


class Settings(BaseModel):
    """One field per `ATELIER_` variable; the vendors' keys and addresses are read through `lookup`.

    Times are seconds. `concurrency` None leaves each vendor its own limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    output_dir: Path = Field(default=Path("~/Pictures/atelier"))
    state_dir: Path | None = None
    default_model: str | None = None
    timeout_seconds: float = Field(default=300.0, gt=0, le=3600)
    concurrency: int | None = Field(default=None, ge=1, le=100)
    retry_timeouts: bool = False
    structured_content: bool = True
    resource_links: bool = False

    _environ: dict[str, str] = PrivateAttr(default_factory=dict)

    def lookup(self, name: str) -> str | None:
        """A variable's value by its name, secrets included; they are never part of a repr."""
        return variable(self._environ, name)

    @property
    def pictures(self) -> Path:
        """The folder for pictures, absolute."""
        return self.output_dir.expanduser().absolute()

    @property
    def state(self) -> Path:
        """The folder for what must survive a restart, absolute."""
        return (self.state_dir or _platform_state()).expanduser().absolute()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables. Raises invalid_request with the name of the one that is wrong."""
        names = {field: PREFIX + field.upper() for field in cls.model_fields}
        found = {field: value for field, name in names.items() if (value := variable(environ, name)) is not None}
        try:
            settings = cls.model_validate(found)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            must = MUST.get(first["type"], first["msg"].removeprefix("Input should ").lower())
            message = f"{names[str(first['loc'][0])]} is wrong: it should {must}."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Correct it or leave it out.") from None
        settings._environ = dict(environ)  # noqa: SLF001 - its own
        return settings


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence for each `ATELIER_` variable that means nothing here, with the name that was perhaps meant."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    strange = sorted(name for name in environ if name.startswith(PREFIX) and name.removesuffix("_FILE") not in known)
    said = list[str]()
    for name in strange:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        said.append(f"{name} is not a setting of this version{f'; perhaps {near[0]}' if near else ''}.")
    return said


def _platform_state() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local")) / "atelier"
    if sys.platform == "darwin":
        return Path("~/Library/Application Support/atelier")
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state") / "atelier"
