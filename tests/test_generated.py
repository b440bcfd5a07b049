"""The lists of vendors, models and settings outside the code are what `uv run python -m tests.generated` writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from atelier.providers.vendors.registry import built_in_providers
from tests import generated


@pytest.mark.parametrize(
    ("path", "expected"), generated.GENERATED.items(), ids=lambda value: getattr(value, "name", "")
)
def test_the_file_is_what_the_registry_and_the_settings_make_it(path: Path, expected: Callable[[str], str]) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == expected(text), "run `uv run python -m tests.generated`"


def test_the_bundle_asks_for_the_key_of_every_vendor_and_hands_it_over() -> None:
    content = json.loads(generated.MANIFEST.read_text(encoding="utf-8"))
    names = [provider.endpoint.key_variables[0] for provider in generated.keyed(built_in_providers())]
    assert list(content["server"]["mcp_config"]["env"])[: len(names)] == names
    titled = [name for name, setting in content["user_config"].items() if setting["title"].endswith(" API key")]
    assert titled == [name.lower() for name in names]
    assert all(content["user_config"][name.lower()]["sensitive"] for name in names), names


def test_the_bundle_asks_for_the_address_of_every_local_server() -> None:
    content = json.loads(generated.MANIFEST.read_text(encoding="utf-8"))
    for name in ("SD_WEBUI_URL", "COMFYUI_URL"):
        assert content["server"]["mcp_config"]["env"][name] == f"${{user_config.{name.lower()}}}"
        assert "http://127.0.0.1:" in content["user_config"][name.lower()]["description"]


def test_a_vendor_that_left_the_registry_leaves_the_manifest() -> None:
    text = generated.MANIFEST.read_text(encoding="utf-8")
    renamed = text.replace("BFL_API_KEY", "GONE_API_KEY").replace("bfl_api_key", "gone_api_key")
    assert renamed != text
    assert generated.manifest(renamed) == generated.manifest(text)
