"""The files under deploy/ and the page about them name what exists."""

from __future__ import annotations

import re
from pathlib import Path

from atelier.server.settings import PREFIX, Settings
from atelier.server.settings.fields import SECRETS

ROOT = Path(__file__).resolve().parent.parent


def test_every_setting_that_they_name_exists() -> None:
    known = {*SECRETS, *(PREFIX + field.upper() for field in Settings.model_fields)}
    for name in ("deploy/compose.yaml", "deploy/Dockerfile", "docs/deploy.md"):
        named = set(re.findall(r"\bATELIER_[A-Z0-9_]+\b", (ROOT / name).read_text()))
        assert {each.removesuffix("_FILE") for each in named} <= known, name


def test_the_image_has_every_file_that_the_package_is_built_from() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
    for name in ("pyproject.toml", "hatch_build.py", "server", "tools", "providers"):
        assert name in " ".join(copied).split()
