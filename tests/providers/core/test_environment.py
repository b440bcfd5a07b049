"""Tests of environment variables: key files in any encoding, and variables with the prefix of Atelier."""

from __future__ import annotations

import codecs
from functools import partial
from pathlib import Path

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.environment import own_variable_names, read_text, variable
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.registry import all_providers
from tests.conftest import TODAY

KEYED = [provider for provider in all_providers() if provider.endpoint.key_variables]

ENCODINGS = {
    "UTF-8": ("utf-8", b""),
    "UTF-8 with BOM": ("utf-8-sig", b""),
    "UTF-16 LE with BOM": ("utf-16-le", codecs.BOM_UTF16_LE),
    "UTF-16 BE with BOM": ("utf-16-be", codecs.BOM_UTF16_BE),
    "UTF-16 LE without BOM": ("utf-16-le", b""),
    "UTF-16 BE without BOM": ("utf-16-be", b""),
}
"""Encodings of text files, each with its byte order mark."""


@pytest.mark.parametrize(("encoding", "mark"), ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\0\r\n\0"])
def test_a_key_file_is_read_in_every_encoding(tmp_path: Path, encoding: str, mark: bytes, end: str) -> None:
    (tmp_path / "key").write_bytes(mark + f"sk-from-a-file{end}".encode(encoding))
    assert variable({"OPENAI_API_KEY_FILE": str(tmp_path / "key")}, "OPENAI_API_KEY") == "sk-from-a-file"


@pytest.mark.parametrize("content", [b"sk-f\xfcchsin", codecs.BOM_UTF16_LE + b"s\0k"], ids=["Latin-1", "half a letter"])
def test_a_key_file_that_is_no_text_is_refused_without_its_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ImageError) as caught:
        variable({"OPENAI_API_KEY_FILE": str(tmp_path / "key")}, "OPENAI_API_KEY")
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert caught.value.message == "The file that OPENAI_API_KEY_FILE names is not text in UTF-8 or UTF-16."
    assert caught.value.hint == "Save it as UTF-8."
    assert caught.value.__cause__ is caught.value.__context__ is None  # they would quote it


@pytest.mark.parametrize(
    ("given", "value"),
    [('"sk-key"', "sk-key"), ("' sk-key '", "sk-key"), ('""', None), ('"', '"'), ("it's", "it's"), ('"a" b', '"a" b')],
)
def test_quotes_around_a_value_are_not_part_of_it(tmp_path: Path, given: str, value: str | None) -> None:
    (tmp_path / "key").write_text(given)
    for environ in ({"OPENAI_API_KEY": given}, {"OPENAI_API_KEY_FILE": f"'{tmp_path / 'key'}'"}):
        assert variable(environ, "OPENAI_API_KEY") == value


def test_non_ascii_letters_are_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(codecs.BOM_UTF16_LE + "Füchsin 狐".encode("utf-16-le"))
    assert read_text(tmp_path / "text", "It") == "Füchsin 狐"


def catalog(**environ: str) -> Catalog:
    return Catalog(partial(variable, environ), lambda: TODAY)


@pytest.mark.parametrize("provider", KEYED, ids=[provider.name for provider in KEYED])
def test_a_variable_with_the_prefix_comes_first(provider: Provider, tmp_path: Path) -> None:
    bare = (*provider.endpoint.key_variables, provider.endpoint.base_url_variable)
    names = (*bare, *provider.endpoint.variables)
    assert own_variable_names(provider.endpoint) == tuple(f"ATELIER_{name}" for name in names)
    chat = dict.fromkeys(provider.endpoint.key_variables, "of-the-chat") | {bare[-1]: "https://chat.example/api"}
    (tmp_path / "url").write_text("https://mine.example/api\n")
    for name in provider.endpoint.key_variables:
        mine = {f"ATELIER_{name}": "mine", f"ATELIER_{bare[-1]}_FILE": str(tmp_path / "url")}
        settings = catalog(**chat, **mine)
        endpoint = settings.located(provider)
        assert endpoint.key(settings.lookup) == "mine"
        assert endpoint.base_url == "https://mine.example/api"
        assert (endpoint.key_variables, endpoint.base_url_variable) == ((f"ATELIER_{name}",), f"ATELIER_{bare[-1]}")
        assert catalog(**{f"ATELIER_{name}": "mine"}).usable(provider)


@pytest.mark.parametrize("provider", KEYED, ids=[provider.name for provider in KEYED])
def test_a_key_with_the_prefix_is_not_sent_to_a_base_url_without_it(provider: Provider) -> None:
    name, address = provider.endpoint.key_variables[-1], provider.endpoint.base_url_variable
    chat = {name: "of-the-chat", address: "https://chat.example/api"}
    assert catalog(**chat).located(provider).base_url == "https://chat.example/api"
    endpoint = catalog(**chat, **{f"ATELIER_{name}": "mine"}).located(provider)
    own = catalog(**{f"ATELIER_{name}": "mine"}).located(provider).base_url
    assert (endpoint.base_url, endpoint.custom) == (own, False)


def test_a_base_url_with_the_prefix_is_used_with_a_key_without_it() -> None:
    settings = catalog(
        OPENAI_API_KEY="sk-x", OPENAI_BASE_URL="https://a.example/v1", ATELIER_OPENAI_BASE_URL="http://b/v1"
    )
    endpoint = settings.resolve("openai").endpoint
    assert (endpoint.base_url, endpoint.key(settings.lookup)) == ("http://b/v1", "sk-x")


def test_a_broken_base_url_is_named_by_the_variable_that_holds_it() -> None:
    with pytest.raises(ImageError, match=r"^ATELIER_OPENAI_BASE_URL is not the address"):
        catalog(OPENAI_BASE_URL="https://a.example/v1", ATELIER_OPENAI_BASE_URL="b").resolve("openai")


def test_a_key_file_that_cannot_be_read_does_not_keep_a_model_from_being_priced() -> None:
    settings = catalog(ATELIER_OPENAI_API_KEY_FILE="/nowhere/key")
    endpoint = settings.resolve("openai").endpoint
    with pytest.raises(ImageError, match="ATELIER_OPENAI_API_KEY_FILE"):
        endpoint.key(settings.lookup)
