"""Tokens of this machine by the real package azure-identity, from a managed identity on loopback."""

from __future__ import annotations

import builtins
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.jobs.service import ImageService
from atelier.providers.testing.emulators.azure import TOKEN, Azure
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Emulator
from atelier.providers.vendors.hosts import azure_identity
from tests.conftest import Environ

pytestmark = pytest.mark.anyio


class ManagedIdentity(Emulator):
    """The endpoint that App Service and Container Apps give to a process."""

    def __init__(self) -> None:
        super().__init__(Starlette(routes=[Route("/msi/token", self.token)]))

    async def token(self, request: Request) -> JSONResponse:
        """GET a token for a resource"""
        if request.headers.get("x-identity-header") != "its-header":
            return JSONResponse({"error": "unauthorized"}, 401)
        assert request.query_params["resource"] == "https://cognitiveservices.azure.com"
        expires = int(time.time()) + 3600
        return JSONResponse({"access_token": TOKEN, "expires_on": f"{expires}", "token_type": "Bearer"})


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedIdentity]:
    for emulator in served(ManagedIdentity()):
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{emulator.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "its-header")
        azure_identity.found.clear()
        yield emulator
        azure_identity.found.clear()


@pytest.fixture
def azure() -> Iterator[Azure]:
    yield from served(Azure())


@pytest.fixture
def settings(environ: Environ, azure: Azure) -> Environ:
    entries = [{"name": "azure", "url": azure.url, "token": "azure-identity"}]
    return environ | {"ATELIER_HOSTS": json.dumps(entries)}


async def test_a_managed_identitys_token_is_sent_and_kept(
    settings: Environ, azure: Azure, identity: ManagedIdentity
) -> None:
    async with ImageService.from_environ(settings) as service:
        for _ in range(2):
            await service.generate("a fox", model="azure/painter", quality="low")
    assert {request.headers["authorization"] for request in azure.requests} == {f"Bearer {TOKEN}"}
    assert len(identity.requests) == 1


async def test_without_an_identity_nothing_is_sent(
    settings: Environ, azure: Azure, identity: ManagedIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "another")
    async with ImageService.from_environ(settings) as service:
        with pytest.raises(ImageError) as caught:
            await service.generate("a fox", model="azure/painter")
    assert caught.value.reason is Reason.AUTHENTICATION
    assert "az login" in caught.value.hint
    assert azure.requests == []


async def test_without_the_package_the_extra_is_named(settings: Environ, monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("azure."):
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    async with ImageService.from_environ(settings) as service:
        with pytest.raises(ImageError) as caught:
            await service.generate("a fox", model="azure/painter")
    assert "atelier-mcp[azure]" in caught.value.hint


def test_the_url_of_a_host_with_this_machines_token_is_in_its_entry() -> None:
    with pytest.raises(ImageError, match="azure has no url"):
        ImageService.from_environ({"ATELIER_HOSTS": '[{"name": "azure", "token": "azure-identity"}]'})
