"""Editable installs: build/dev/atelier/{server,tools,providers} are links to the folders at the top level.

The wheel maps the same three folders into the `atelier` namespace by itself. Either gets a copy of the server's
`__main__.py` beside them, for `python -m atelier`.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def link(target: Path, at: Path) -> None:
    """Make `at` lead to `target`; a right link is left alone, a wrong one is replaced."""
    if os.path.lexists(at):
        if at.resolve() == target.resolve():
            return
        at.rmdir() if sys.platform == "win32" else at.unlink()  # a junction is a folder, a symlink a file
    if sys.platform == "win32":
        import _winapi

        _winapi.CreateJunction(str(target), str(at))  # a junction needs no privilege, a symlink does
    else:
        at.symlink_to(os.path.relpath(target, at.parent), target_is_directory=True)


class DevLinks(BuildHookInterface[Any]):
    """The hook that hatchling calls before a wheel is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        package = root / "build" / "dev" / "atelier"
        package.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / "server" / "__main__.py", package / "__main__.py")
        if version != "editable":
            build_data["force_include"][str(package / "__main__.py")] = "atelier/__main__.py"
            return
        for part in ("server", "tools", "providers"):
            link(root / part, package / part)
