"""Reading a variable: what counts as set, and secrets that live in files.

Bundles hand over literal `${user_config.x}` for what the user left out, and empty strings for what he cleared;
both count as unset. `${HOME}` is expanded, since not every host does so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from atelier.providers.core.errors import ImageError, Reason

HOME = "${HOME}"
PLACEHOLDER = re.compile(r"\$\{[^}]*\}")


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """The value of `name`, else the content of the file that `{name}_FILE` names, else None.

    Raises invalid_request when that file cannot be read; the message names the variable, not the content.
    """
    if value := _clean(environ.get(name)):
        return value
    file = _clean(environ.get(f"{name}_FILE"))
    if file is None:
        return None
    try:
        return Path(file).expanduser().read_text(encoding="utf-8-sig").strip() or None
    except (OSError, ValueError, RuntimeError):
        message = f"The file that {name}_FILE names cannot be read."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Correct the path or its permissions.") from None


def _clean(value: str | None) -> str | None:
    text = (value or "").strip()
    if HOME in text:
        try:
            text = text.replace(HOME, str(Path.home()))
        except RuntimeError:  # nobody's process: no home folder is known
            return None
    return None if not text or PLACEHOLDER.search(text) else text
