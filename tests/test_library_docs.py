"""docs/library.md: each of its blocks runs in an environment that has only the wheel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.exhaustive import parameters
from tests.wheel import Wheel

PAGE = (Path(__file__).parents[1] / "docs" / "library.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^## (?P<title>.*?)$|^```python\n(?P<code>.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """Return the title above each block, and the block."""
    title, found = "", list[tuple[str, str]]()
    for heading, code in BLOCKS:
        title = heading or title
        found += [(title, code)] if code else []
    return found


EXAMPLES = examples()


@pytest.mark.parametrize(
    "code", [parameters(code, is_fast=number < 3, id=title) for number, (title, code) in enumerate(EXAMPLES)]
)
def test_an_example_of_the_page_runs(code: str, installed_wheel: Wheel, tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    installed_wheel.python("-W", "error", "example.py", cwd=tmp_path)


LOADED = "import sys, atelier.providers as p; print(sorted(n for n in sys.modules if '.' not in n or 'vendors' in n))"


def test_importing_the_library_loads_no_vendor_no_database_and_no_image_code() -> None:
    program = f"{LOADED}; p.generate, p.ImageService; print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    first, everything = out.stdout.splitlines()
    assert "httpx2" not in first
    for name in ("PIL", "boto3", "sqlalchemy", "fastapi", "atelier.providers.vendors.openai"):
        assert f"'{name}'" not in everything
