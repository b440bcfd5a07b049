"""Stores the vendors' keys for the next start: in the system's keyring, else in the configuration file.

The file has a line for each key; for one in the keyring it says `"keyring"`. It is changed line by line, so that a
person's own lines and comments stay. Nobody but its owner may read it.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from atelier.providers.core.environment import read_text, variable
from atelier.providers.core.errors import ImageError, Reason, invalid_request

APP = "atelier"
"""The name of our folders below the platform's, and of our keys in the keyring."""

CONFIG = "ATELIER_CONFIG"
"""Names the configuration file. Only the environment can set it."""

IN_KEYRING = "keyring"
"""The value of a key in the configuration file that is stored in the keyring."""


def config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the configuration file, which need not exist: that of ATELIER_CONFIG, else the platform's."""
    import platformdirs  # two milliseconds

    named = variable(environ, CONFIG)
    return Path(named) if named else platformdirs.user_config_path(APP, appauthor=False) / "config.toml"


def key_in_keyring(name: str) -> str | None:
    """Return the key of that name in the system's keyring. Raises invalid_request when it cannot be read."""
    try:
        import keyring  # takes 100 ms, and is an extra

        return keyring.get_password(APP, name)
    except Exception as error:  # noqa: BLE001 - each system's keyring has errors of its own
        message = f"{name} is in the system's keyring, which could not be read ({type(error).__name__})."
        raise invalid_request(message, f"Unlock it, or set {name} in the environment.") from None


def store_key(name: str, key: str, *, in_file: bool = False) -> str:
    """Store a key and return where, in words. Raises storage_failed."""
    file = config_file()
    if not in_file and _put_in_keyring(name, key):
        write_setting(file, name.lower(), IN_KEYRING)
        return "the system's keyring"
    write_setting(file, name.lower(), key)
    return str(file)


def forget_key(name: str) -> bool:
    """Remove a key. Return False if none was stored."""
    file = config_file()
    stored = settings_in(file).get(name.lower())
    if stored is None:
        return False
    if stored == IN_KEYRING:
        import keyring
        import keyring.errors

        with suppress(keyring.errors.KeyringError):  # it has gone already
            keyring.delete_password(APP, name)
    write_setting(file, name.lower(), None)
    return True


def settings_in(file: Path) -> dict[str, Any]:
    """Return what a configuration file says; nothing where there is none. Raises invalid_request for a wrong one."""
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(read_text(file, f"The configuration file {file}"))
    except tomllib.TOMLDecodeError as error:
        raise invalid_request(f"The configuration file {file} is no TOML: {error}.", "Correct the file.") from None


def write_setting(file: Path, key: str, value: str | None) -> None:
    """Set a key of a configuration file, or remove it. Every other line stays. Raises storage_failed."""
    before = settings_in(file)
    lines = read_text(file, f"The configuration file {file}").splitlines() if before or file.is_file() else []
    tables = next((number for number, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    own = re.compile(rf"\s*{re.escape(key)}\s*=", re.IGNORECASE)
    rest = [line for line in lines[:tables] if not own.match(line)]
    added = [] if value is None else [f"{key} = {json.dumps(value, ensure_ascii=False)}"]
    text = "\n".join([*rest, *added, *lines[tables:]]) + "\n"
    after = {name: each for name, each in before.items() if name.lower() != key}
    if tomllib.loads(text) != {**after, **({} if value is None else {key: value})}:
        message = f"The configuration file {file} cannot be changed here."
        raise ImageError(Reason.STORAGE_FAILED, message, hint=f"Set {key} in it yourself.")
    write_private(file, text)


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, and that appears once it is complete. Raises storage_failed."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if file.exists() and not file.is_file():
            raise OSError(0, "it is no file")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        part.replace(file)
    except OSError as error:
        message = f"{file} cannot be written ({error.strerror or type(error).__name__})."
        raise ImageError(Reason.STORAGE_FAILED, message, hint="Check its permissions.") from None


def _put_in_keyring(name: str, key: str) -> bool:
    """Store a key in the system's keyring. Return False where there is none that works."""
    try:
        import keyring

        keyring.set_password(APP, name, key)
        return keyring.get_password(APP, name) == key
    except Exception:  # noqa: BLE001 - it is not installed, or each system's own error
        return False
