"""The import order of the packages, held by reading every import: downwards only, one home per SDK, small files."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for part in ("server", "tools", "providers") for path in (ROOT / part).rglob("*.py"))
MAX_LINES = 255
MAX_ENTRIES = 15

PACKAGES = (
    "providers.core",
    "providers.transport",
    "providers.images",
    "providers.vendors",
    "providers.pricing",
    "providers.catalog",
    "providers.pipeline",
    "providers.jobs",
    "providers.styles",
    "providers",
    "tools",
    "server",
    "providers.testing",
)
"""Each may import itself and those before it."""

A_VENDOR_IMPORTS = ("providers.core", "providers.transport", "providers.images")

SERVES = {
    "providers.vendors.bedrock": ("providers.vendors.stability",),
    "providers.vendors.vertex": ("providers.vendors.gemini",),
}
"""A vendor that serves the models of another one -> that vendor, whose requests and answers it shares."""

HOMES = {
    "mcp": ("server",),
    "boto3": ("server.storage.s3_client",),
    "botocore": (
        "server.storage.s3_client",
        "providers.vendors.bedrock.credentials",  # to sign, not to send
        "providers.testing.emulators.bedrock",
    ),
    "azure": ("providers.vendors.hosts.azure_identity",),
    "google": ("providers.vendors.vertex.credentials",),
    "fastapi": ("server.http",),
    "fastapi_offline": ("server.http.app",),
    "starlette": ("server.http", "providers.testing"),
    "uvicorn": ("server.http", "providers.testing.server"),
    "prometheus_client": ("server.http.monitoring",),
    "opentelemetry": ("server.observability.otel",),
    "h11": ("server.http.protocol",),
    "jwt": ("server.http.auth", "providers.testing.emulators.vertex"),
    "tenacity": ("providers.transport.retry",),
    "httpx2": ("providers.transport.network",),
    "socksio": ("providers.transport.network.proxies",),
    "httpx": (),
    "yaml": ("providers.styles.style_file", "server.cli.setup.host_files"),
    "PIL": (
        "providers.testing",
        "providers.images",
        "providers.vendors.gemini.imagen",
        "providers.vendors.sketch",
        "server.mcp.previews",
        "server.cli.terminal.images",
    ),
    "pillow_heif": ("providers.images.repair",),
    "openai": (),
    "cyclopts": ("server.cli",),
    "rich": ("server.cli",),
    "pytest": ("providers.testing.conformance", "providers.testing.fixtures"),
}
"""SDK -> the modules or packages that may import it."""


def module(path: Path) -> str:
    """`providers/transport/wire.py` -> `providers.transport.wire`"""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def package(name: str) -> str:
    """The longest of the packages that a module is in."""
    return max((each for each in PACKAGES if is_in(name, each)), key=len)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = {module(path): path for path in FILES}


def ours(path: Path) -> set[str]:
    """The product's modules that a file imports, without `atelier.`; a package counts where its own names are used."""
    named = {name.removeprefix("atelier.") for name in imports(path) if name.removeprefix("atelier.") in MODULES}
    return {name for name in named if not any(is_in(other, name) and other != name for other in named)}


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_module_imports_its_own_package_and_lower_ones(path: Path) -> None:
    own = PACKAGES.index(package(module(path)))
    assert {other: package(other) for other in ours(path) if PACKAGES.index(package(other)) > own} == {}


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_are_absolute_and_each_sdk_has_one_home(path: Path) -> None:
    name = module(path)
    for imported in imports(path):
        root = imported.partition(".")[0]
        assert root not in ("server", "tools", "providers", "tests"), imported
        if root in HOMES:
            assert any(is_in(name, home) for home in HOMES[root]), f"{name} imports {imported}"


def test_a_vendor_imports_core_transport_images_and_the_contract() -> None:
    vendors = [path.parent for path in (ROOT / "providers/vendors").glob("*/models.py")]
    assert len(vendors) > 3
    for vendor in vendors:
        shared = SERVES.get(module(vendor), ())
        may = (
            *A_VENDOR_IMPORTS,
            "providers.vendors.contract",
            "providers.vendors.image_links",
            module(vendor),
            *shared,
        )
        for path in vendor.glob("*.py"):
            assert [other for other in ours(path) if not any(is_in(other, each) for each in may)] == [], path


def test_gates_cannot_reach_the_network() -> None:
    seen, ahead = set[str](), {"providers.core.gates.preflight"}
    while ahead:
        name = ahead.pop()
        seen.add(name)
        ahead |= ours(MODULES[name]) - seen
    assert [name for name in seen if not is_in(name, "providers.core")] == []
    assert "providers.core.sizes" in seen  # the walk does walk


def is_entry(path: Path) -> bool:
    """Whether a path counts as an entry of its package. Vendors and their emulators do not: the registry lists them."""
    return path.name[0] not in "_." and not (path / "models.py").is_file() and path.parent.name != "emulators"


def test_files_and_packages_stay_small() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    long = {name: count for name, count in lengths.items() if count > MAX_LINES}
    folders = {path.parent for path in FILES}
    wide = {str(f): n for f in folders if (n := sum(is_entry(p) for p in f.iterdir())) > MAX_ENTRIES}
    assert (long, wide) == ({}, {})


def test_every_package_says_what_it_holds() -> None:
    for path in FILES:
        if path.name == "__init__.py":
            assert len(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "") > 30, path


def test_nothing_in_the_product_knows_of_the_tests_but_the_test_kit() -> None:
    for path in (path for path in FILES if not is_in(module(path), "providers.testing")):
        words = path.read_text(encoding="utf-8").lower()
        assert "emulator" not in words, path
        assert "pytest" not in words, path


def test_no_bare_server_tools_or_providers_is_importable() -> None:
    assert not {"server", "tools", "providers"} & set(sys.modules)
