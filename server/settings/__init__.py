"""The settings: the environment, `.env` and a configuration file, read once into a frozen model.

`fields` declares every setting, `config_files` reads the files, docs/settings.md lists the variables.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import PrivateAttr, ValidationError

from atelier.providers.core.environment import OWN_PREFIX, Variables
from atelier.providers.core.errors import ImageError, invalid_request
from atelier.providers.core.types import Lookup
from atelier.providers.pricing.budget import Caps
from atelier.providers.vendors.hosts.settings import require_addresses
from atelier.server.settings.config_files import Notice, Source, read_sources, state_folder
from atelier.server.settings.fields import SECRETS, SettingsFields
from atelier.server.settings.values import MUST, NAMED
from atelier.server.storage.s3_client import Bucket, without_bucket

PREFIX = OWN_PREFIX


class Settings(SettingsFields):
    """The settings, and what follows from them; the vendors' keys and addresses are read through `lookup`.

    `config` and `dotenv` choose the files that `load` reads.
    """

    _sources: tuple[Source, ...] = PrivateAttr(default=())
    _lookup: Lookup = PrivateAttr(default=Variables(()).__getitem__)
    _output_is_readable: bool = PrivateAttr(default=True)

    @property
    def caps(self) -> Caps:
        """The limits on what is spent."""
        return Caps(per_call=self.budget_per_call, per_day=self.budget_per_day, per_month=self.budget_per_month)

    @property
    def lookup(self) -> Lookup:
        """Returns a variable's value by its name, secrets included; they are never part of a repr."""
        return self._lookup

    def origin(self, name: str) -> str | None:
        """Return where a variable is set, in words; None for one that is not."""
        for source in self._sources:
            for each in (name, f"{name}_FILE"):
                if source.values.get(each) and source.get(name) is not None:
                    return source.written.get(each, f"{each} in the environment")
        return None

    def is_set(self, name: str) -> bool:
        """Return whether a variable has a value; one whose file cannot be read has."""
        try:
            return self.lookup(name) is not None
        except ImageError:
            return True

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
    def styles(self) -> Path:
        """The folder for styles, absolute."""
        return _absolute(self.styles_dir or self.pictures / "styles", "ATELIER_STYLES_DIR")

    @property
    def state(self) -> Path:
        """The folder for what must survive a restart, absolute; by default the platform's folder for state."""
        return _absolute(self.state_dir or state_folder(), "ATELIER_STATE_DIR")

    @property
    def bucket(self) -> Bucket:
        """The bucket of S3 storage. Raises invalid_request when no bucket is named."""
        if not self.s3_bucket:
            message = "ATELIER_STORAGE is s3, but ATELIER_S3_BUCKET is not set."
            raise invalid_request(message, "Name the bucket, or set ATELIER_STORAGE to local.")
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
            raise invalid_request(message, "Correct it or leave it out.") from None
        settings._sources = tuple(replace(source, values=dict(source.values)) for source in sources)  # noqa: SLF001
        settings._lookup = Variables([source.values for source in settings._sources]).__getitem__  # noqa: SLF001
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
        raise invalid_request(message, f"Set {variable} to an absolute path.") from None
