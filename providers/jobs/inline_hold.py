"""Pictures that a caller takes in the answer itself. Until that has left they are still the desk's."""

from __future__ import annotations

import anyio

HELD = 5.0  # seconds after which they are stored, whether somebody still takes the answer or not


class Hand:
    """Those of one job, held by so many callers as have it in their answer."""

    def __init__(self, holders: int) -> None:
        self.taken = False
        self._holders = holders
        self._settled = anyio.Event()
        if not holders:
            self.drop()

    def give(self) -> None:
        """One more caller has them in an answer."""
        self._holders += 1

    def take(self) -> None:
        """An answer has left with them."""
        self.taken = True
        self._settled.set()

    def give_back(self) -> None:
        """A caller went away without them."""
        self._holders -= 1
        if self._holders <= 0:
            self.drop()

    def drop(self) -> None:
        """Nobody is waited for any more."""
        self._settled.set()

    async def settled(self) -> bool:
        """Wait for what becomes of them: whether somebody has taken them."""
        with anyio.move_on_after(HELD):
            await self._settled.wait()
        return self.taken
