"""Reads variables: which values count as set, secrets in files, and which of a vendor's variables is in use.

Bundles pass a literal `${user_config.x}` for a field that the user left out, and an empty string for one that was
cleared; both count as unset. `${HOME}` and `$HOME` are expanded, since not every host does so.

Chat programs pass on the variables of their own environment. Therefore each variable of a vendor may also be set with
the prefix `ATELIER_`, which takes precedence.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from atelier.providers.core.errors import ImageError, invalid_request
from atelier.providers.core.types import Endpoint, Lookup

OWN_PREFIX = "ATELIER_"
"""The prefix of a vendor's variable that is set for Atelier alone."""

BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""Byte order mark of a file -> its encoding. PowerShell's `>` writes UTF-16."""

HOME = re.compile(r"\$\{HOME\}|\$HOME(?!\w)")
PLACEHOLDER = re.compile(r"\$\{[^}]*\}")


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """Return the value of `name`, else the content of the file that `{name}_FILE` names, else None.

    Raises invalid_request when that file cannot be read; the message names the variable, not the content.
    """
    if value := _clean(environ.get(name)):
        return value
    file = _clean(environ.get(f"{name}_FILE"))
    if file is None:
        return None
    return _unquoted(read_text(file, f"The file that {name}_FILE names")) or None


class Variables(dict[str, str | None]):
    """The variables of several mappings, as `variable` reads them; the first mapping that has one counts.

    The mappings do not change, but the file that a `{name}_FILE` names may: it is read whenever its variable is.
    """

    def __init__(self, environs: Sequence[Mapping[str, str]]) -> None:
        self._environs = environs
        for number, environ in enumerate(environs):
            for name, given in environ.items():
                if not any(f"{name}_FILE" in earlier for earlier in environs[:number]) and (value := _clean(given)):
                    self.setdefault(name, value)

    def __missing__(self, name: str) -> str | None:
        return next((value for environ in self._environs if (value := variable(environ, name))), None)


def read_text(file: str | Path, description: str) -> str:
    """Return the text of a file that a setting names, stripped: UTF-8, or UTF-16 as PowerShell writes it.

    Raises invalid_request with `description` for the file, without its content.
    """
    try:
        data = Path(file).expanduser().read_bytes()
        encoding = next((BOMS[bom] for bom in BOMS if data.startswith(bom)), "utf-8")
        return data.decode(encoding).replace("\0", "").strip()  # NULs come from UTF-16 without a byte order mark
    except UnicodeDecodeError:
        message, hint = f"{description} is not text in UTF-8 or UTF-16.", "Save it as UTF-8."
    except (OSError, ValueError, RuntimeError):
        message, hint = f"{description} cannot be read.", "Correct the path or its permissions."
    raise invalid_request(message, hint)


def own_variable_names(endpoint: Endpoint) -> tuple[str, ...]:
    """Return the names of a vendor's variables with the prefix of Atelier."""
    names = (*endpoint.key_variables, endpoint.base_url_variable, *endpoint.variables)
    return tuple(OWN_PREFIX + name for name in names if name)


def key_variable(endpoint: Endpoint, lookup: Lookup) -> str | None:
    """Return the variable that holds the vendor's key; those with the prefix come first."""
    return _first_set((*(OWN_PREFIX + name for name in endpoint.key_variables), *endpoint.key_variables), lookup)


def base_url_variable(endpoint: Endpoint, keyed_by: str | None, lookup: Lookup) -> str | None:
    """Return the variable that holds the vendor's base URL; `keyed_by` is the one that holds its key.

    The one without prefix is ignored if the key's variable has the prefix: another program may have set it, and its
    host would get Atelier's key.
    """
    bare = endpoint.base_url_variable
    if not bare:
        return None
    names = [OWN_PREFIX + bare]
    if not (keyed_by or "").startswith(OWN_PREFIX):
        names.append(bare)
    return _first_set(names, lookup)


def setting(name: str, lookup: Lookup) -> str | None:
    """Return the value of a vendor's variable; the one with the prefix comes first."""
    return lookup(OWN_PREFIX + name) or lookup(name)


def hint_with_variables(hint: str, bare: Endpoint, used: Endpoint) -> str:
    """Return a vendor's hint with the names of the variables that are in use."""
    names = {
        " or ".join(bare.key_variables): " or ".join(used.key_variables),
        bare.base_url_variable: used.base_url_variable,
    }
    for name, replacement in names.items():
        if name:
            hint = re.sub(rf"(?<![A-Z_]){re.escape(name)}\b", replacement, hint)
    return hint


def _first_set(names: Sequence[str], lookup: Lookup) -> str | None:
    for name in names:
        try:
            if lookup(name) is not None:
                return name
        except ImageError:  # its file cannot be read, which is an error once the value is needed
            return name
    return None


def _unquoted(value: str) -> str:
    """Return a value without the quotes around it, which Docker's `--env-file` and `set` of Windows keep."""
    text = value.strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _clean(value: str | None) -> str | None:
    if not value:
        return None
    text = _unquoted(value)
    if HOME.search(text):
        try:
            home = str(Path.home())
        except RuntimeError:  # the process has a user without a home folder
            return None
        text = HOME.sub(lambda _: home, text)
    return None if not text or PLACEHOLDER.search(text) else text
