"""Editable installs: build/dev/atelier/{server,tools,providers} are links to the folders at the top level.

The wheel maps the same three folders into the `atelier` namespace by itself, so this runs for `-e` only.
"""

from __future__ import annotations

import os
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
        if version != "editable":
            return
        root = Path(self.root)
        package = root / "build" / "dev" / "atelier"
        package.mkdir(parents=True, exist_ok=True)
        for part in ("server", "tools", "providers"):
            link(root / part, package / part)
