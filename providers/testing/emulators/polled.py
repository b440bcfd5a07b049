"""The base of emulators with two hosts: one takes requests, the other has their results."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence

from starlette.routing import Route

from atelier.providers.testing.server import Emulator


class PolledEmulator(Emulator):
    """The host that takes requests. `polls` is the host of their results, with its own log and script."""

    def __init__(self, routes: Sequence[Route], poll_routes: Sequence[Route]) -> None:
        super().__init__(routes)
        self.polls = Emulator(poll_routes)

    def clear(self) -> None:
        """Forget the requests, scripts and bills of both hosts."""
        super().clear()
        self.polls.clear()

    @contextlib.contextmanager
    def serving(self) -> Generator[None]:
        """Serve both hosts until the block ends."""
        with super().serving(), self.polls.serving():
            yield
