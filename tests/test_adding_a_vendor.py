"""docs/adding-a-vendor.md, step by step: the vendor that its blocks make passes the suite of all vendors."""

from __future__ import annotations

import ast
import json
import re
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.types import ImageRequest
from atelier.providers.pricing.estimate import Prices, estimate, table
from atelier.providers.vendors import registry
from tests.conformance.suite import Conformance, studio
from tests.vendors import only

PAGE = Path(__file__).parents[1] / "docs" / "adding-a-vendor.md"
STEP = re.compile(r"^## \d\. .*?`(?P<file>[^`]+)`$(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(?P<kind>python|diff|json)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(file: str, kind: str) -> list[str]:
    """The code of the step that is about a file."""
    (text,) = [step["text"] for step in STEP.finditer(PAGE.read_text(encoding="utf-8")) if step["file"] == file]
    return [block["code"] for block in BLOCK.finditer(text) if block["kind"] == kind]


def module(name: str, code: str) -> Any:
    """Code as a module that others can import, as if it were a file of the repository."""
    made = ModuleType(name)
    sys.modules[name] = made
    parent, _, leaf = name.rpartition(".")
    setattr(sys.modules[parent], leaf, made)
    exec(compile(code, f"{PAGE.name}:{name}", "exec"), vars(made))
    return made


def patched(source: str, diff: str) -> str:
    """The source with a change of the page made to it, which has to fit in one place."""
    lines = diff.splitlines(keepends=True)
    before, after = ("".join(line[1:] for line in lines if line[0] in side) for side in (" -", " +"))
    assert source.count(before) == 1, before
    return source.replace(before, after)


(VENDOR,) = blocks("providers/vendors/toy/__init__.py", "python")
(EMULATOR,) = blocks("tests/emulators/toy.py", "python")
(PRICE,) = blocks("providers/pricing/prices.json", "json")
(BENCH,) = blocks("tests/conformance/benches.py", "python")

toy = module("atelier.providers.vendors.toy", VENDOR)
module("tests.emulators.toy", EMULATOR)
bench = module("tests.conformance.toy", BENCH).TOY


class TestTheToyVendor(Conformance):
    benches = (bench,)


def test_the_vendor_imports_core_transport_and_images_alone() -> None:
    nodes = [node for node in ast.walk(ast.parse(VENDOR)) if isinstance(node, ast.ImportFrom)]
    ours = [str(node.module) for node in nodes if (node.module or "").startswith("atelier")]
    assert ours
    allowed = ("core", "transport", "images", "vendors.contract")
    assert all(name.startswith(tuple(f"atelier.providers.{part}" for part in allowed)) for name in ours)


def test_the_lines_for_the_registry_put_it_there() -> None:
    source = Path(registry.__file__).read_text(encoding="utf-8")
    for diff in blocks("providers/vendors/registry.py", "diff"):
        source = patched(source, diff)
    grown = module("atelier.providers.vendors.registry_with_toy", source)
    assert set(grown.built_in_providers()) == {*registry.built_in_providers(), toy.PROVIDER}
    resolve = Catalog(dict[str, str]().get, load=only(*grown.built_in_providers())).resolve
    for name in ("toy", "toy-1", "toy/toy-1", "toy-2-unlisted"):
        assert resolve(name).provider is toy.PROVIDER


def test_the_entry_prices_its_pictures() -> None:
    shipped = table().model_dump(mode="json")
    grown = Prices.model_validate_json(json.dumps(shipped | {"rows": [*shipped["rows"], json.loads(PRICE)]}))
    job = studio(bench, {}).admit(ImageRequest(prompt="a fox", model="toy", count=3)).job
    found = estimate(grown, "toy", job)
    assert found is not None
    assert (found.total_usd, found.basis) == (Decimal("0.06"), "flat")
    assert estimate(table(), "toy", job) is None


def test_the_vendors_own_host_is_what_the_page_names() -> None:
    prepared = studio(bench, {}).prepare(ImageRequest(prompt="a fox", model="toy", seed=3, aspect_ratio="16:9"))
    assert str(prepared.url) == "https://api.toy.example/v1/paint"
    assert prepared.read() == b'{"model":"toy-1","text":"a fox","shape":"16:9","seed":3}'
