"""Reads settings from files: `.env` in the working directory, and the configuration file in TOML.

The environment comes before both, and `.env` before the configuration file. A host may start the server in any folder
that its user opens, so `.env` is trusted less: it cannot name files or stores, open other folders to reading or loosen
a budget, and it cannot send a key of the user's to an address of its own. See UNTRUSTED and `_separate_vendors`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from atelier.providers.core.environment import OWN_PREFIX, key_variable, read_text, variable
from atelier.providers.core.errors import ImageError, invalid_request, sanitize
from atelier.providers.core.gates.refusals import close_names
from atelier.providers.core.types import Endpoint
from atelier.providers.vendors.hosts.settings import HOSTS
from atelier.server.settings.known_names import KnownNames, host_endpoints, vendor_variables
from atelier.server.settings.stored_keys import APP, CONFIG, IN_KEYRING, config_file, key_in_keyring

MACOS_STATE = Path("~/Library/Application Support") / APP
"""Where earlier versions stored their state on macOS, also where `XDG_STATE_HOME` was set."""

DOTENV = "ATELIER_DOTENV"
"""`off` leaves `.env` unread. Only the environment can set it."""

UNTRUSTED = frozenset(
    {CONFIG, DOTENV}
    | {f"{OWN_PREFIX}{name}" for name in ("CATALOG", "INPUT_DIRS", "STATE_DIR", "STYLES_DIR", "HOSTS")}
    | {f"{OWN_PREFIX}{name}" for name in ("ALLOW_HTTP_SOURCES", "ALLOW_UNPRICED")}
    | {f"{own}GOOGLE_APPLICATION_CREDENTIALS" for own in ("", OWN_PREFIX)}  # such a file may name programs to run
    | {f"{OWN_PREFIX}{name}" for name in ("STATE_URL", "STORAGE", "S3_BUCKET", "S3_ENDPOINT_URL", "S3_PUBLIC_BASE_URL")}
)
"""Names that `.env` cannot set, and neither any with `_FILE`."""

SEPARATORS = {f"{OWN_PREFIX}INPUT_DIRS": os.pathsep, f"{OWN_PREFIX}FALLBACK": ","}
"""How the environment separates the parts of a setting that is a list in TOML."""

ALL_SETTINGS = "docs/settings.md lists them; `atelier config` prints those that are set."

Notice = Callable[[str], object]
"""Takes a sentence for the user about something that does not stop the start."""


@dataclass(frozen=True, slots=True)
class Source:
    """The variables of one place, by their names. `folder` is set for `.env`: the folder that holds it."""

    values: Mapping[str, str] = field(repr=False)  # keys are among them
    written: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: Path | None = None

    def get(self, name: str) -> str | None:
        """Return the value of a variable, or None. Raises invalid_request when its file cannot be read."""
        return variable(self.values, name)

    def called(self, name: str) -> str:
        """Return the words by which a message names a variable of this place."""
        return self.written.get(name, name)

    def may_read(self, path: Path) -> bool:
        """Return whether this place may open a folder to reading: `.env` only one below its own."""
        return self.folder is None or path.resolve().is_relative_to(self.folder.resolve())

    def without(self, names: Collection[str]) -> Source:
        """Return a copy that lacks these variables."""
        return replace(self, values={name: value for name, value in self.values.items() if name not in names})


def read_sources(environ: Mapping[str, str], settings: Collection[str], notice: Notice) -> tuple[Source, ...]:
    """Return the environment, `.env` and the configuration file, in the order in which a name is sought.

    `settings` are the names of all settings. `notice` gets a sentence for each variable that is not used. Raises
    invalid_request for a configuration file that is wrong.
    """
    config, names = _configuration(environ, KnownNames(settings, host_endpoints(variable(environ, HOSTS))))
    dotenv = Source({})
    if (variable(environ, DOTENV) or "on").lower() not in ("off", "false", "0", "no", "f", "n"):
        dotenv = _dotenv(names, notice)
    for source in (Source(environ), dotenv):
        _report_unknown(source, names, notice)
    if any(name not in settings for name in dotenv.values):
        return _separate_vendors(Source(environ), dotenv, config, names, notice)
    return Source(environ), dotenv, config


def state_folder() -> Path:
    """Return the platform's folder for state, or that of earlier versions where only that one exists."""
    import platformdirs  # takes 10 ms

    folder, earlier = platformdirs.user_state_path(APP, appauthor=False), MACOS_STATE.expanduser()
    return earlier if sys.platform == "darwin" and earlier.is_dir() and not folder.is_dir() else folder


def _report_unknown(source: Source, names: KnownNames, notice: Notice) -> None:
    """Point out each `ATELIER_` variable that is no setting, with the name that was perhaps meant."""
    for name in sorted(source.values):
        if name.startswith(OWN_PREFIX) and name not in names:
            near = _nearest(name, names)
            perhaps = f"; perhaps {near}." if near else f". {ALL_SETTINGS}"
            notice(f"{source.called(name)} is not a setting of this version{perhaps}")


def _nearest(name: str, names: KnownNames) -> str | None:
    """Return the variable whose name without our prefix, which all share, is spelled like that of `name`."""
    known = {each.removeprefix(OWN_PREFIX): each for each in reversed(names.all())}  # the first of a name: our own
    near = close_names(name.removeprefix(OWN_PREFIX), known)
    return known[near[0]] if near else None


def _configuration(environ: Mapping[str, str], names: KnownNames) -> tuple[Source, KnownNames]:
    """Read the configuration file, which need not exist where `ATELIER_CONFIG` does not name it.

    The names come back with the variables of the hosts that it lists.
    """
    file, named = config_file(environ), variable(environ, CONFIG)
    if named is None and not file.is_file():
        return Source({}), names
    text = read_text(file, f"The file that {CONFIG} names" if named else f"The configuration file {file}")
    import tomllib

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise invalid_request(f"The configuration file {file} is no TOML: {error}.", "Correct the file.") from None
    if not names.hosts and isinstance(hosts := table.get("hosts", table.get(HOSTS.lower())), list):
        names = replace(names, hosts=host_endpoints(json.dumps(hosts, default=str)))
    values, written = dict[str, str](), dict[str, str]()
    for key, value in table.items():
        name = _variable_named(key, names, file)
        if name in values:
            message = f"{written[name]} is set twice, also as {sanitize(key, 60)}."
            raise invalid_request(message, "Leave one of them out.")
        written[name] = f"{key} in {file}"
        if value == IN_KEYRING and name not in names.settings:
            value = key_in_keyring(name) or ""
        values[name] = _as_text(value, name, written[name])
    return Source(values, written), names


def _variable_named(key: str, names: KnownNames, file: Path) -> str:
    """Return the variable that a key of the configuration file stands for: `output_dir` is `ATELIER_OUTPUT_DIR`."""
    own = OWN_PREFIX + key.upper().removeprefix(OWN_PREFIX)
    for name in (own if own.removesuffix("_FILE") in names.settings else key.upper(), own):
        if name in names and name not in (CONFIG, DOTENV):
            return name
    keys = sorted({name.removeprefix(OWN_PREFIX).lower() for name in names.all()} - {"config", "dotenv"})
    near = close_names(key.lower(), keys)
    message = f"{sanitize(key, 60)} in {file} is not a setting of this version."
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Correct it or leave it out. {ALL_SETTINGS}"
    raise invalid_request(message, hint)


def _as_text(value: Any, name: str, called: str) -> str:
    """Return a value of the configuration file as the environment would hold it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    if name == HOSTS and isinstance(value, list):
        return json.dumps(value, default=str)
    if name in SEPARATORS and isinstance(value, list):
        parts = cast("list[object]", value)
        if all(isinstance(part, str) for part in parts):
            return SEPARATORS[name].join(map(str, parts))
    what = "a list of texts" if name in SEPARATORS else "text, a number, true or false"
    raise invalid_request(f"{called} is wrong: it should be {what}.", "Correct it.")


def _dotenv(names: KnownNames, notice: Notice) -> Source:
    """Read Atelier's and the vendors' variables from `.env`; other programs' variables in it are left alone."""
    try:
        folder = Path.cwd()
        if not (folder / ".env").is_file():
            return Source({})
        text = read_text(folder / ".env", "The file .env in the working directory")
    except OSError:  # the working directory was removed
        return Source({})
    except ImageError as error:
        notice(f"{error.message} It is not used.")
        return Source({})
    import io

    import dotenv

    logging.getLogger("dotenv").setLevel(logging.ERROR)  # lines that it cannot read may be another program's
    values = dict[str, str]()
    for name, value in dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False).items():
        if not name.startswith(OWN_PREFIX) and name not in names:
            continue
        if name in UNTRUSTED or name.endswith("_FILE"):
            notice(f"{name} in .env is not used; set it in the environment or in the configuration file.")
        elif value is not None:
            values[name] = value
    return Source(values, {name: f"{name} in .env" for name in values}, folder)


def _separate_vendors(
    environ: Source, dotenv: Source, config: Source, known: KnownNames, notice: Notice
) -> tuple[Source, ...]:
    """Take a vendor's key and address from `.env` together or not at all.

    Otherwise the `.env` of a folder that the user only looks at could have a key of the user's sent to its own host.
    """
    for endpoint in (each for each in known.endpoints if each.key_variables):
        keys, address = endpoint.key_variables, endpoint.base_url_variable
        parts = keys if endpoint.ambient else (*keys, *endpoint.variables)
        names = frozenset(vendor_variables(endpoint))
        if endpoint.ambient:
            dotenv = _without_address(endpoint, dotenv, notice)
        if key_variable(endpoint, dotenv.get) and not key_variable(endpoint, environ.get):
            config = config.without(
                {own + key + file for key in parts for own in ("", OWN_PREFIX) for file in ("", "_FILE")}
            )
            continue
        for name in (address, OWN_PREFIX + address):
            if dotenv.get(name) and not environ.values.get(name):
                notice(f"{name} in .env is not used, because the vendor's key is not from .env.")
        dotenv = dotenv.without(names)
    for endpoint in (each for each in known.endpoints if each.is_local):
        logins = [own + name for name in endpoint.variables for own in ("", OWN_PREFIX)]
        if any(source.get(name) for name in logins for source in (environ, config)):
            dotenv = _without_address(endpoint, dotenv, notice)
    return environ, dotenv, config


def _without_address(endpoint: Endpoint, dotenv: Source, notice: Notice) -> Source:
    """Return `.env` without a vendor's address, since credentials from elsewhere would be sent there."""
    names = frozenset({endpoint.base_url_variable, OWN_PREFIX + endpoint.base_url_variable})
    for name in sorted(names & dotenv.values.keys()):
        notice(f"{name} in .env is not used; set it in the environment or in the configuration file.")
    return dotenv.without(names)
