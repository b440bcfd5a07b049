"""The parts of docs/, manifest.json and server.json that are generated from the registry and the settings.

uv run python -m tests.generated     writes them after a vendor, a model or a setting has changed
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.hosts.dialects import provider_of
from atelier.providers.vendors.hosts.settings import KNOWN, Host
from atelier.providers.vendors.registry import built_in_providers
from atelier.server.cli.making.models import markdown
from atelier.server.settings import Settings, variable_of
from atelier.server.settings.fields import SECRETS

ROOT = Path(__file__).parents[1]
MODELS, VENDORS, SETTINGS = ROOT / "docs/models.md", ROOT / "docs/vendors.md", ROOT / "docs/settings.md"
HOSTS = ROOT / "docs/compatible-hosts.md"
MANIFEST, SERVER = ROOT / "manifest.json", ROOT / "server.json"

OFFERED = ("output_dir", "input_dirs", "default_model", "storage", "s3_bucket", "s3_endpoint_url", "budget_per_day")
"""The settings that server.json offers besides the vendors' keys; docs/settings.md has all."""


def models_page(text: str) -> str:
    """Return docs/models.md with the table of models as the registry has them."""
    return _between(text, "models", markdown(built_in_providers()))


def vendors_page(text: str) -> str:
    """Return docs/vendors.md with the table of the vendors' keys and addresses."""
    providers = [provider for provider in built_in_providers() if provider.endpoint.base_url_variable]
    return _between(text, "vendor variables", "\n".join(_variables(providers)))


def hosts_page(text: str) -> str:
    """Return docs/compatible-hosts.md with the table of what is known of hosts by their names."""
    heads = ("name", "dialect", "key", "where to get it", "URL", "listed without `models`")
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for name, known in KNOWN.items():
        url = f"`{known.url}`, or `{known.url_variable}`" if known.url else f"`{known.url_variable}`"
        page = f"<{known.key_page}>" if known.key_page else "–"
        host = Host(name=name, dialect=known.dialect, key=known.key)
        listed = ", ".join(f"`{model.id}`" for model in provider_of(host).models) or "none"
        lines.append(f"| `{name}` | `{known.dialect}` | `{known.key}` | {page} | {url} | {listed} |")
    return _between(text, "known hosts", "\n".join(lines))


def settings_page(text: str) -> str:
    """Return docs/settings.md with the table of settings as their model has them."""
    return _between(text, "settings", "\n".join(_settings()))


def manifest(text: str) -> str:
    """Return the manifest with a setting for the key of each vendor or its address, before all other settings."""
    content: dict[str, Any] = json.loads(text)
    settings, environ = content["user_config"], content["server"]["mcp_config"]["env"]
    vendors = keyed(built_in_providers())
    keys = {provider.endpoint.key_variables[0]: _setting(provider) for provider in vendors}
    keys |= {provider.endpoint.base_url_variable: _address(provider) for provider in local(built_in_providers())}
    vendor_settings = {
        name
        for name, setting in settings.items()
        if setting["title"].endswith(" API key") or setting["title"].startswith("Address of ")
    }
    content["server"]["mcp_config"]["env"] = {
        **{name: f"${{user_config.{name.lower()}}}" for name in keys},
        **{name: value for name, value in environ.items() if value[len("${user_config.") : -1] not in vendor_settings},
    }
    content["user_config"] = {
        **{name.lower(): setting for name, setting in keys.items()},
        **{name: setting for name, setting in settings.items() if name not in vendor_settings},
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def server(text: str) -> str:
    """Return server.json with the variables of each vendor's key and of the common settings."""
    content: dict[str, Any] = json.loads(text)
    keys = [
        {"name": provider.endpoint.key_variables[0], "description": f"{provider.title} API key", "isSecret": True}
        for provider in keyed(built_in_providers())
    ]
    addresses = [
        {"name": provider.endpoint.base_url_variable, "description": _address(provider)["title"]}
        for provider in local(built_in_providers())
    ]
    fields = Settings.model_fields
    settings = [{"name": variable_of(name), "description": _plain(fields[name].description)} for name in OFFERED]
    content["packages"][0]["environmentVariables"] = keys + addresses + settings
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _plain(markdown: str | None) -> str:
    """Return a description without what only a page can show."""
    return re.sub(r"; see \[.*|`", "", markdown or "")


def keyed(providers: tuple[Provider, ...]) -> list[Provider]:
    """Return the vendors that need a key, and not credentials that this machine may have."""
    return [p for p in providers if p.endpoint.key_variables and not p.endpoint.ambient]


def local(providers: tuple[Provider, ...]) -> list[Provider]:
    """Return the vendors that are a server of the user's own."""
    return [provider for provider in providers if provider.endpoint.is_local]


def _between(text: str, name: str, content: str) -> str:
    pattern = rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)"
    assert len(re.findall(pattern, text, flags=re.DOTALL)) == 1, f"there is no place for {name}"
    return re.sub(pattern, lambda found: found[1] + content + found[2], text, flags=re.DOTALL)


def _variables(providers: list[Provider]) -> list[str]:
    lines = ["| vendor | key | where to get it | base URL of another host |", "| --- | --- | --- | --- |"]
    for provider in providers:
        endpoint = provider.endpoint
        keys = " or ".join(f"`{name}`" for name in endpoint.key_variables) or "none"
        page = f"<{endpoint.key_page}>" if endpoint.key_page else "–"
        keys += "".join(f", `{name}`" for name in endpoint.variables)
        form = f"ends in `{endpoint.base_path}`" if endpoint.base_path else "without a version"
        lines.append(
            f"| {provider.title} (`{provider.name}`) | {keys} | {page} | `{endpoint.base_url_variable}`, {form} |"
        )
    return lines


def _settings() -> list[str]:
    lines = ["| variable | meaning | value | default |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{variable_of(name)}` | {field.description} | {_value(name)} | {_default(field.default)} |"
        for name, field in Settings.model_fields.items()
    ]
    return lines + [f"| `{name}` | {meaning} | a secret | unset |" for name, meaning in SECRETS.items()]


def _value(name: str) -> str:
    """Return what a setting may be, from its JSON schema."""
    schema: dict[str, Any] = Settings.model_json_schema()["properties"][name]
    if "anyOf" in schema:
        schema = next(each for each in schema["anyOf"] if each != {"type": "null"})
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    words = {"integer": "a whole number", "number": "a number", "boolean": "a switch", "array": "a list"}
    word = words.get(schema["type"], {"path": "a path"}.get(schema.get("format", ""), "text"))
    if schema.get("pattern", "").startswith("^https"):
        word = "an address"
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    return word if high is None else f"{word}, {low:,.0f} to {high:,.0f}"


def _default(value: object) -> str:
    if value is None or value in ((), ""):
        return "unset"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _setting(provider: Provider) -> dict[str, Any]:
    return {
        "type": "string",
        "title": f"{provider.title} API key",
        "description": f"For models such as {provider.default}. Leave empty to go without.",
        "sensitive": True,
        "required": False,
        "default": "",
    }


def _address(provider: Provider) -> dict[str, Any]:
    return {
        "type": "string",
        "title": f"Address of {provider.title}",
        "description": f"Your own server, for example {provider.endpoint.base_url}. Leave empty to go without.",
        "required": False,
        "default": "",
    }


GENERATED = {
    MODELS: models_page,
    VENDORS: vendors_page,
    HOSTS: hosts_page,
    SETTINGS: settings_page,
    MANIFEST: manifest,
    SERVER: server,
}
"""Each file and what makes its new text of its old one."""

if __name__ == "__main__":
    for path, generated in GENERATED.items():
        path.write_text(generated(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
