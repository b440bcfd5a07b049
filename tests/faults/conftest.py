"""The world of the fault suite, as fast as a world can be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulators.s3 import Keys, Ministack, ministack
from tests.faults.proxy import Proxy
from tests.faults.world import World, world


@pytest.fixture(scope="session")
def built() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def around(built: World, monkeypatch: pytest.MonkeyPatch, impatient: None) -> World:
    """A fresh world whose polls come at once and whose retries do not wait."""
    monkeypatch.setattr("atelier.providers.vendors.flux.tasks.POLL_INTERVAL", 0.01)
    monkeypatch.setattr("atelier.providers.vendors.stability.adapter.POLL_INTERVAL", 0.01)
    built.reset()
    return built


@pytest.fixture(scope="session")
def store() -> Iterator[Ministack]:
    with ministack() as running:
        yield running


@pytest.fixture(scope="session")
def owner(store: Ministack) -> Keys:
    return store.user()


@pytest.fixture
def before_store(store: Ministack) -> Iterator[Proxy]:
    """A proxy before the S3 server."""
    proxy = Proxy(store, rewrites=False)
    with proxy.serving():
        yield proxy
