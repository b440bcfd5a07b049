"""The pages for people need no token and load nothing from elsewhere."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

from tests.server.http_process import Server


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_nothing_from_elsewhere_and_all_that_it_names_is_there(server: Server, path: str) -> None:
    page = server.get(path, None)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    named = re.findall(r"""(?:src|href|url)(?:=|: )["']([^"']+)["']""", page.text)
    assert "/openapi.json" in named
    for address in named:
        assert address.startswith("/"), address
        assert server.get(address, None).status_code == 200, address
    assert "https://" not in page.text


def test_the_landing_page_names_product_and_version(server: Server) -> None:
    assert f"Atelier <small>{version('atelier-mcp')}</small>" in server.get("/", None).text
    assert server.get("/openapi.json", None).json()["info"] == {"title": "Atelier", "version": version("atelier-mcp")}


@pytest.mark.parametrize("path", ["/docs/../usage", "/docs%2f..%2fusage", "/usage"])
def test_nothing_else_is_public(server: Server, path: str) -> None:
    assert server.get(path, None).status_code in (401, 404)
