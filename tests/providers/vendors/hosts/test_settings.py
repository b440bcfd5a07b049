"""Entries of ATELIER_HOSTS: what may be left out, and how a wrong one is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.jobs.service import ImageService
from atelier.providers.vendors.hosts.settings import KNOWN
from atelier.providers.vendors.names import name_conflict
from atelier.server.composition import catalog_of
from atelier.server.settings import Settings

PROXY = {"name": "proxy", "url": "https://proxy.example/v1", "key": "PROXY_KEY"}
SECRET = "sk-or-v1-0123456789abcdef"


def catalog(*hosts: Any, **environ: str) -> Catalog:
    return catalog_of(Settings.from_environ({"ATELIER_HOSTS": json.dumps(hosts), **environ}))


def refusal(text: str, **environ: str) -> ImageError:
    with pytest.raises(ImageError) as caught:
        Settings.from_environ({"ATELIER_HOSTS": text, **environ})
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert caught.value.message.startswith("ATELIER_HOSTS is wrong: ")
    assert caught.value.__cause__ is None
    return caught.value


def test_a_known_name_alone_is_enough() -> None:
    found = catalog("azure", AZURE_OPENAI_ENDPOINT="https://me.openai.azure.com", AZURE_OPENAI_API_KEY="key-0123456789")
    choice = found.resolve("azure/painter")
    assert choice.endpoint.base_url == "https://me.openai.azure.com"
    assert (choice.endpoint.key_header, choice.endpoint.key_variables) == ("api-key", ("AZURE_OPENAI_API_KEY",))


def test_several_hosts_stand_beside_openai_and_models_pass_through_with_their_case() -> None:
    other = {**PROXY, "name": "other", "url": "https://other.example/v1/"}
    found = catalog(PROXY, other, PROXY_KEY="key-0123456789", OPENAI_API_KEY="key-0123456789")
    assert found.resolve("gpt-image-2").provider.name == "openai"
    for name, host in (("proxy", "proxy"), ("other", "other")):
        choice = found.resolve(f"{name}/gpt-image-2")
        assert (choice.provider.name, choice.model.id) == (name, "gpt-image-2")
        assert choice.endpoint.base_url == f"https://{host}.example/v1"
    assert found.resolve("proxy/black-forest-labs/FLUX.2-dev").model.id == "black-forest-labs/FLUX.2-dev"
    assert found.resolve("proxy/proxy/auto").model.id == "proxy/auto"


def test_the_first_listed_model_is_what_the_hosts_name_means() -> None:
    models = [{"id": "Draw", "like": "gpt-image-2", "usd": 0.04}, "other"]
    found = catalog({**PROXY, "models": models}, PROXY_KEY="key-0123456789")
    assert found.resolve(None).provider.name == "proxy"  # the only one with a key
    assert found.resolve("proxy").model.id == "Draw"
    assert found.resolve("PROXY/draw").model.qualities == ("auto", "low", "medium", "high")
    assert found.resolve("proxy/other").model.any_value
    with pytest.raises(ImageError) as caught:  # another host may have a model of that name
        found.resolve("Draw")
    assert "proxy/Draw" in caught.value.hint


def test_a_host_without_models_says_how_to_name_one() -> None:
    with pytest.raises(ImageError) as caught:
        catalog(PROXY).resolve("proxy")
    assert "proxy/MODEL" in caught.value.hint
    with pytest.raises(ImageError) as caught:  # and no draft is drawn where a key is set
        catalog(PROXY, PROXY_KEY="key-0123456789").resolve(None)
    assert "proxy/MODEL" in caught.value.hint


@pytest.mark.anyio
async def test_a_program_has_the_hosts_of_its_environment_and_the_prices_stated_there() -> None:
    models = [{"id": "draw", "usd": "0.04"}, {"id": "free", "usd": 0}, "other"]
    environ = {"ATELIER_HOSTS": json.dumps([{**PROXY, "models": models}])}
    async with ImageService.from_environ(environ) as service:
        priced = {name: await service.estimate("a fox", model=f"proxy/{name}", n=2) for name in ("draw", "free")}
        assert {name: estimate and str(estimate.total_usd) for name, estimate in priced.items()} == {
            "draw": "0.08",
            "free": "0",
        }
        assert await service.estimate("a fox", model="proxy/other") is None
    free = {"ATELIER_HOSTS": json.dumps([{**PROXY, "models": [{"id": "free", "usd": 0}, "other"]}])}
    async with ImageService.from_environ(free) as service:
        for unpriced in ("other", "unlisted"):  # not free because the only price is 0
            assert await service.estimate("a fox", model=f"proxy/{unpriced}") is None
    with pytest.raises(ImageError, match="ATELIER_HOSTS"):
        ImageService.from_environ({"ATELIER_HOSTS": "[1]"})


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "proxy", "key": "PROXY_KEY"}, "proxy has no url"),
        ({"name": "proxy", "url": "https://proxy.example/v1"}, "proxy has no key"),
        ("nowhere", "nowhere has no url"),
        ("openruoter", "perhaps openrouter is meant"),
        ("litellm", "give its url, or set LITELLM_BASE_URL"),
        ({"url": "https://proxy.example/v1"}, "has no name"),
        ({**PROXY, "name": "My Proxy"}, "the name of entry 1 should be lower-case letters"),
        ({**PROXY, "name": "openai"}, "openai names both OpenAI and openai"),
        ({**PROXY, "name": "gpt-image"}, "gpt-image names both"),
        ({**PROXY, "dialect": "grpc"}, "should be openai, azure, together or openrouter"),
        ({**PROXY, "api_version": "v1"}, "only the dialect azure"),
        ({**PROXY, "models": [{"id": "a", "like": "gpt-image-77"}]}, "like “gpt-image-77”, which is not listed"),
        ({**PROXY, "models": [{"id": "a", "usd": "cheap"}]}, "the usd of entry 1 should be the price"),
        ({**PROXY, "models": "a"}, "the models of entry 1 should be a list"),
        ({**PROXY, "modles": []}, "a field modles, which does not exist"),
        (7, "entry 1 should be a name or an object"),
    ],
)
def test_a_wrong_entry_is_one_sentence_at_the_start(entry: Any, words: str) -> None:
    assert words in refusal(json.dumps([entry])).message


@pytest.mark.parametrize("text", ["openrouter", "{", '{"name": "proxy"}'])
def test_what_is_no_list_is_refused(text: str) -> None:
    refusal(text)


def test_two_entries_of_one_name_are_refused() -> None:
    assert "two entries are called proxy" in refusal(json.dumps([PROXY, PROXY])).message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", SECRET),
        ("token", SECRET),
        ("api_key", SECRET),
        ("url", f"https://user:{SECRET}@proxy.example/v1"),
        ("url", f"https://proxy.example/v1?key={SECRET}"),
        ("url", SECRET),
    ],
)
def test_a_key_in_the_entry_is_refused_by_the_fields_name_and_not_repeated(field: str, value: str) -> None:
    error = refusal(json.dumps([{**PROXY, field: value}]))
    assert field in error.message
    assert SECRET not in f"{error.message} {error.hint} {error!r}"


def test_a_key_may_be_in_a_file_or_have_the_prefix_of_atelier(tmp_path: Any) -> None:
    (tmp_path / "key").write_text("key-of-a-file\n")
    for name in ("PROXY_KEY_FILE", "ATELIER_PROXY_KEY_FILE"):
        choice = (found := catalog(PROXY, **{name: str(tmp_path / "key")})).resolve("proxy/draw")
        assert choice.endpoint.key(found.lookup) == "key-of-a-file"


def test_a_catalog_file_adds_models_and_prices_to_a_host(tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    figure = {"provider": "proxy", "unit": "per_image", "source": "bill", "as_of": "2026-11"}
    content = {
        "models": [{"provider": "proxy", "id": "draw", "max_count": 2}],
        "prices": {
            "sources": {"bill": {"what": "our bill", "date": "2026-11", "kind": "ours"}},
            "rows": [{**figure, "models": ["draw"], "usd": "0.03"}, {**figure, "models": ["Not/Listed"], "usd": "0.5"}],
        },
    }
    file.write_text(json.dumps(content))
    host = {**PROXY, "models": [{"id": "draw", "usd": 0.09}]}
    found = catalog(host, ATELIER_CATALOG=str(file))
    assert found.resolve("proxy").model.max_count == 2
    priced = {
        name: found.prices.of("proxy", found.resolve(f"proxy/{name}").model).rows for name in ("draw", "Not/Listed")
    }
    assert {name: str(rows[0].usd) for name, rows in priced.items()} == {"draw": "0.03", "Not/Listed": "0.5"}


def test_known_hosts_load_no_vendor_at_the_start_and_no_dialect_of_another() -> None:
    code = """
import sys
from atelier.server.composition import catalog_of
from atelier.server.settings import Settings

def loaded():
    return sorted(m.rsplit(".", 1)[1] for m in sys.modules if m.startswith("atelier.providers.vendors.hosts."))

settings = Settings.from_environ({"ATELIER_HOSTS": '["together"]'})
assert "atelier.providers.vendors.openai" not in sys.modules
assert loaded() == ["dialects", "settings"], loaded()
catalog_of(settings).resolve("together")
assert {"azure", "openrouter"}.isdisjoint(loaded()), loaded()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_names_of_known_hosts_are_free() -> None:
    found = catalog(
        *KNOWN, AZURE_OPENAI_ENDPOINT="https://me.openai.azure.com", LITELLM_BASE_URL="http://proxy:4000/v1"
    )
    assert name_conflict(found.providers) is None
    assert [provider.name for provider in found.providers][-len(KNOWN) :] == list(KNOWN)
