"""The house's layers, held by reading every import: arrows go down only, each SDK has one home, files stay small."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(path for part in ("server", "tools", "providers") for path in (ROOT / part).rglob("*.py"))
LONGEST = 255  # lines

STEPS = (
    "catalog", "overlay", "overlay_checks", "overlay_shapes", "pipeline", "pricing", "price_parts", "price_table",
    "price_tokens", "price_overlay", "admit", "dispatch", "settle", "account", "budget", "quote", "reserve", "turns",
    "breaker", "storage", "journal", "desk", "live", "fallback", "recovery", "outcome", "deliver",
    "orphans", "leaving", "counter", "hand", "rounds", "workshop", "work", "safe_prompt",
)  # fmt: skip
"""The files of `providers/` that are no vendor's."""

HOMES = {
    "mcp": {"server"},
    "boto3": {"server.storage.s3_client"},
    "botocore": {"server.storage.s3_client"},
    "starlette": {"server.http", "server.http_body", "server.http_door", "server.http_errors", "server.http_rest"},
    "uvicorn": {"server.http", "server.http_protocol"},
    "h11": {"server.http_protocol"},
    "jwt": {"server.auth"},
    "tenacity": {"providers.core.retry"},
    "httpx2": {"providers.core.http", "providers.core.proxies"},
    "socksio": {"providers.core.proxies"},
    "httpx": set[str](),
    "PIL": {
        "server.preview", "providers.core.decode", "providers.core.delivery", "providers.core.heif",
        "providers.core.masks",
        "providers.gemini_imagen",
        "providers.sketch", "providers.sketch_scenes", "providers.sketch_lettering",
    },
    "pillow_heif": {"providers.core.heif"},
    "openai": set[str](),
}  # fmt: skip
"""SDK -> the modules or folders that may import it."""

VENDORS = {f"providers.{p.stem}" for p in (ROOT / "providers").glob("*.py") if p.stem not in ("__init__", *STEPS)}
"""Vendor files and their parts: `openai_models` is a part of `openai`."""


def is_part(other: str, name: str) -> bool:
    """Whether a vendor's module belongs to the vendor of another."""
    return {name, other} <= VENDORS and name.split("_")[0] == other.split("_")[0]


def module(path: Path) -> str:
    """`providers/transport/wire.py` -> `providers.core.wire`"""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path: Path) -> set[str]:
    """The modules of this house that a file imports, without `atelier.`."""
    known = {module(file) for file in FILES}
    return {name.removeprefix("atelier.") for name in imports(path) if name.removeprefix("atelier.") in known}


def floor(name: str) -> float:
    """How high a module stands; it may import what stands lower, and its own floor where that is a folder."""
    if name.startswith("server"):
        return 6
    if name.startswith("tools"):
        return 5
    order = {
        "providers": 5,
        "providers.desk": 4.9,
        "providers.fallback": 4.8,
        "providers.live": 4.8,
        "providers.orphans": 4.85,
        "providers.workshop": 4.84,
        "providers.counter": 4.86,
        "providers.hand": 1,
        "providers.rounds": 1,
        "providers.leaving": 1.6,
        "providers.recovery": 4.2,
        "providers.outcome": 4.1,
        "providers.pipeline": 4,
        "providers.work": 3.3,
        "providers.safe_prompt": 3.4,
        "providers.dispatch": 3.5,
        "providers.settle": 3.6,
        "providers.reserve": 3.45,
        "providers.quote": 3.4,
        "providers.deliver": 3.2,
        "providers.admit": 3.2,
        "providers.overlay": 3.1,
        "providers.overlay_checks": 3.05,
        "providers.overlay_shapes": 3.05,
        "providers.catalog": 3,
        "providers.price_overlay": 3.05,
        "providers.pricing": 2,
        "providers.account": 2.5,
        "providers.journal": 1.5,
        "providers.budget": 1,
        "providers.price_parts": 1.5,
        "providers.price_table": 1,
        "providers.price_tokens": 1,
    }
    return order.get(name, 0 if name.startswith("providers.core") else 2)


@pytest.mark.parametrize("path", FILES, ids=module)
def test_arrows_go_down_only(path: Path) -> None:
    name = module(path)
    inside_a_folder = name.startswith(("server", "tools", "providers.core"))
    for other in ours(path) - {name, "providers"}:
        lower = floor(other) < floor(name)
        assert lower or (inside_a_folder and floor(other) == floor(name)) or is_part(other, name), other


@pytest.mark.parametrize("path", FILES, ids=module)
def test_every_import_is_absolute_and_each_sdk_has_one_home(path: Path) -> None:
    name = module(path)
    for imported in imports(path):
        root = imported.partition(".")[0]
        assert root not in ("server", "tools", "providers", "tests"), imported
        for home in [HOMES[root]] if root in HOMES else []:
            assert any(name == place or name.startswith(place + ".") for place in home), f"{name} imports {imported}"


def test_a_vendor_imports_core_and_nothing_else_of_the_house() -> None:
    for path in FILES:
        if (name := module(path)) in VENDORS:
            assert all(o.startswith("providers.core") or is_part(o, name) for o in ours(path) - {"providers"}), name


def test_gates_cannot_reach_the_wire() -> None:
    seen, ahead = set[str](), {"providers.core.gates"}
    files = {module(path): path for path in FILES}
    while ahead:
        name = ahead.pop()
        seen.add(name)
        ahead |= ours(files[name]) - seen - {"providers", "providers.core"}
    assert "providers.core.wire" not in seen
    assert "providers.core.sizes" in seen  # the walk does walk


def test_no_file_outgrows_a_readers_head() -> None:
    long = {
        module(path): lines for path in FILES if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert not long


def test_nothing_in_the_product_knows_of_the_tests() -> None:
    for path in FILES:
        words = path.read_text(encoding="utf-8").lower()
        assert "emulator" not in words, path
        assert "pytest" not in words, path


def test_no_bare_server_tools_or_providers_is_importable() -> None:
    assert not {"server", "tools", "providers"} & set(sys.modules)
