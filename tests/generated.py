"""The lists of vendors in README.md and manifest.json, generated from the registry.

uv run python -m tests.generated     writes them after a vendor or model has changed
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.registry import built_in_providers
from atelier.server.cli.models_command import markdown

ROOT = Path(__file__).parents[1]
README, MANIFEST = ROOT / "README.md", ROOT / "manifest.json"


def readme(text: str) -> str:
    """Return the README with the table of models and the table of vendors' variables as the registry has them."""
    providers = built_in_providers()
    text = _between(text, "models", markdown(providers))
    return _between(
        text, "vendor variables", "\n".join(_variables([p for p in providers if p.endpoint.base_url_variable]))
    )


def manifest(text: str) -> str:
    """Return the manifest with a setting for the key of each vendor, before all other settings."""
    content: dict[str, Any] = json.loads(text)
    settings, environ = content["user_config"], content["server"]["mcp_config"]["env"]
    vendors = keyed(built_in_providers())
    keys = {provider.endpoint.key_variables[0]: _setting(provider) for provider in vendors}
    vendor_settings = {name for name, setting in settings.items() if setting["title"].endswith(" API key")}
    content["server"]["mcp_config"]["env"] = {
        **{name: f"${{user_config.{name.lower()}}}" for name in keys},
        **{name: value for name, value in environ.items() if value[len("${user_config.") : -1] not in vendor_settings},
    }
    content["user_config"] = {
        **{name.lower(): setting for name, setting in keys.items()},
        **{name: setting for name, setting in settings.items() if name not in vendor_settings},
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def keyed(providers: tuple[Provider, ...]) -> list[Provider]:
    """Return the vendors that need a key, and not credentials that this machine may have."""
    return [p for p in providers if p.endpoint.key_variables and not p.endpoint.ambient]


def _between(text: str, name: str, content: str) -> str:
    pattern = rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)"
    assert len(re.findall(pattern, text, flags=re.DOTALL)) == 1, f"README.md has no place for {name}"
    return re.sub(pattern, lambda found: found[1] + content + found[2], text, flags=re.DOTALL)


def _variables(providers: list[Provider]) -> list[str]:
    lines = ["| vendor | key | base URL of another host |", "| --- | --- | --- |"]
    for provider in providers:
        endpoint = provider.endpoint
        keys = " or ".join(f"`{name}`" for name in endpoint.key_variables) or "none"
        keys += "".join(f", `{name}`" for name in endpoint.variables)
        form = f"ends in `{endpoint.base_path}`" if endpoint.base_path else "without a version"
        lines.append(f"| {provider.title} (`{provider.name}`) | {keys} | `{endpoint.base_url_variable}`, {form} |")
    return lines


def _setting(provider: Provider) -> dict[str, Any]:
    return {
        "type": "string",
        "title": f"{provider.title} API key",
        "description": f"For models such as {provider.default}. Leave empty to go without.",
        "sensitive": True,
        "required": False,
        "default": "",
    }


if __name__ == "__main__":
    for path, generated in ((README, readme), (MANIFEST, manifest)):
        path.write_text(generated(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
