"""Storages of every kind on real ground: folders, and buckets of a server that verifies signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.images.asset_storage import Storage
from atelier.server.storage.local import LocalStorage
from atelier.server.storage.s3 import S3Storage
from atelier.server.storage.s3_client import Bucket, Connection
from atelier.server.storage.upload_queue import UploadQueue
from tests.emulators.s3 import Front, Keys, Ministack, ministack
from tests.exhaustive import sample

NUMBERS = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Ministack]:
    with ministack() as running:
        yield running


@pytest.fixture(scope="session")
def keys(server: Ministack) -> Keys:
    return server.user()


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket of a test's own."""

    server: Ministack
    name: str
    keys: Keys

    def storage(
        self, keys: Keys | None = None, endpoint: str | None = None, customer: str = "7", **more: object
    ) -> S3Storage:
        """The product's storage on it."""
        words = {"name": self.name, "endpoint_url": endpoint or self.server.url, "region": "us-east-1", **more}
        environ = (keys or self.keys).environ
        return S3Storage(Connection(Bucket(**words), environ.get), customer)  # pyright: ignore[reportArgumentType]

    @property
    def objects(self) -> list[str]:
        """The keys in it."""
        return self.server.keys(self.name)


@pytest.fixture
def place(server: Ministack, keys: Keys) -> Place:
    name = f"pictures-{next(NUMBERS)}"
    server.bucket(name)
    return Place(server, name, keys)


@pytest.fixture
def front(server: Ministack) -> Iterator[Front]:
    before = Front(server)
    with before.serving():
        yield before


@pytest.fixture
def localhosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names below localhost lead to this machine, which not every resolver knows."""
    import socket

    look_up = socket.getaddrinfo

    def found(host: Any, *more: Any, **options: Any) -> Any:
        return look_up("127.0.0.1" if str(host).endswith(".localhost") else host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


KINDS: dict[str, Callable[[Path, Place], Storage]] = {
    "local": lambda folder, place: LocalStorage(folder / "out"),
    "s3": lambda folder, place: place.storage(),
    "queued local": lambda folder, place: UploadQueue(
        LocalStorage(folder / "out"), LocalStorage(folder / "s"), write_ahead=False
    ),
    "queued s3": lambda folder, place: UploadQueue(place.storage(), LocalStorage(folder / "s"), write_ahead=True),
}


@pytest.fixture(params=sample(KINDS, ["local", "queued s3"]))
def storage(request: pytest.FixtureRequest, tmp_path: Path, place: Place) -> Storage:
    """Each kind in turn, and each behind the upload queue, which has to keep the same promise."""
    return KINDS[request.param](tmp_path, place)
