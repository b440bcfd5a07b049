"""What the journeys of the service share: a bucket on a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from tests.conftest import Environ
from tests.emulators.s3 import Keys, Ministack, ministack

NUMBERS = count(1)


@dataclass(frozen=True)
class Bucket:
    """A bucket of a test's own."""

    store: Ministack
    keys: Keys
    name: str

    @property
    def environ(self) -> Environ:
        """The settings that keep images in it."""
        return {
            "ATELIER_STORAGE": "s3",
            "ATELIER_S3_BUCKET": self.name,
            "ATELIER_S3_ENDPOINT_URL": self.store.url,
            **self.keys.environ,
        }

    @property
    def objects(self) -> list[str]:
        """The keys of what is in it."""
        return self.store.keys(self.name)


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[Ministack, Keys]]:
    with ministack() as running:
        yield running, running.user()


@pytest.fixture
def bucket(store: tuple[Ministack, Keys]) -> Bucket:
    name = f"service-{next(NUMBERS)}"
    store[0].bucket(name)
    return Bucket(*store, name)
