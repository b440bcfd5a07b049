"""The memory of a server over stdio: `uv run python -m bench.memory` (Linux).

at rest    once the vendors and the database are loaded; beside a server with one tool on the bare SDK
in hand    what 16 generations of 2 MB at once add at most, in images' sizes
"""

from __future__ import annotations

import sys
import time

import anyio
from mcp.client import Client

from bench import floors
from bench.measures import SERVER, Bench
from bench.peers import resident_mb
from bench.vendor import photograph, vendor_process

AT_ONCE = 16
LOADED = 3.0  # seconds after which a server has loaded what it loads in the background


async def at_rest(bench: Bench) -> tuple[float, float]:
    """Return the MB of Atelier and of the bare server, with their tools listed and nothing drawn."""
    found = list[float]()
    for command in (SERVER, floors.one_tool()):
        async with bench.client(command, warm=False):
            await anyio.sleep(LOADED)
            found.append(resident_mb(command))
    return found[0], found[1]


async def in_hand(bench: Bench) -> float:
    """Return the MB that each of AT_ONCE generations adds at most."""
    async with bench.client(SERVER) as client:
        before, most = resident_mb(SERVER), 0.0
        async with anyio.create_task_group() as tasks:

            async def watch() -> None:
                nonlocal most
                while True:
                    most = max(most, resident_mb(SERVER))
                    await anyio.sleep(0.01)

            tasks.start_soon(watch)
            await _draw_all(bench, client)
            tasks.cancel_scope.cancel()
    return (most - before) / AT_ONCE


async def _draw_all(bench: Bench, client: Client) -> None:
    async with anyio.create_task_group() as drawing:
        for number in range(AT_ONCE):
            drawing.start_soon(bench.draw, client, f"large {number} {time.time()}")


def main() -> int:
    """Measure, and print a line of each."""
    image_mb = len(photograph(896)) / 2**20
    with vendor_process() as url:
        bench = Bench(url)
        ours, floor = anyio.run(at_rest, bench)
        sys.stdout.write(f"at rest: {ours:.0f} MB; the bare SDK {floor:.0f} MB\n")
        added = anyio.run(in_hand, bench)
        sys.stdout.write(f"in hand: {added:.1f} MB for each image of {image_mb:.1f} MB, {added / image_mb:.1f} times\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
