"""The measures. Each returns one sample: seconds (or bytes) of Atelier, and of its floor."""

from __future__ import annotations

import atexit
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from atelier.providers.core.tracing import new_id
from atelier.providers.pipeline.job_store import CallIdentity, NewJob
from atelier.providers.pipeline.states import JobState
from atelier.providers.pricing.budget import Caps, Reservation
from atelier.providers.testing.emulators.openai_rules import KEY
from atelier.server.database.jobs import SqlJobStore
from atelier.server.database.process_lock import FileProcessLock
from atelier.server.database.sqlite import SqliteDatabase
from bench import floors
from bench.vendor import photograph
from tests.emulators.s3 import Ministack

SERVER = [sys.executable, "-m", "atelier.server"]
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
JOB_SECONDS = 0.0015  # the target of `job_in_database`
FOX = {"prompt": "a fox", "model": "gpt-image-2.5-flare", "size": "1024x1024", "quality": "low"}


class Sample(NamedTuple):
    """One run of Atelier and of its floor, in the same unit."""

    ours: float
    floor: float


class Bench:
    """A folder for the run, and the base URL of a vendor without latency."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.folder = Path(tempfile.mkdtemp(prefix="atelier-bench-"))
        self.environ = {
            **os.environ,
            "ATELIER_STATE_DIR": str(self.folder / "state"),
            "ATELIER_OUTPUT_DIR": str(self.folder / "out"),
            "ATELIER_DOTENV": "off",
            "ATELIER_CONCURRENCY": "64",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": vendor,
        }

    @asynccontextmanager
    async def client(
        self, command: list[str], more: Mapping[str, str] = MappingProxyType({}), *, warm: bool = True
    ) -> AsyncGenerator[Client]:
        """Connect the official client to a server; `warm` makes an image first. `more` is of its environment."""
        parameters = StdioServerParameters(command=command[0], args=command[1:], env={**self.environ, **more})
        async with Client(parameters) as client:
            await client.list_tools()
            if command is SERVER and warm:
                await self.draw(client, "warm up")
            yield client

    async def draw(self, client: Client, prompt: str, tool: str = "generate_image", **more: Any) -> None:
        """Make one image."""
        answer = await client.call_tool(tool, {**FOX, "prompt": prompt, **more})
        assert not answer.is_error, answer.content

    @cached_property
    def source(self) -> Path:
        """A PNG of 4 MB, in a folder that the server may read."""
        path = self.folder / "out" / "source.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(photograph(1280))
        return path

    @cached_property
    def bucket(self) -> dict[str, str]:
        """The environment of a bucket on a local S3 server, which ends with this process."""
        store = Ministack()
        atexit.register(store.stop)
        store.start()
        store.bucket("bench")
        return {"ATELIER_S3_BUCKET": "bench", "ATELIER_S3_ENDPOINT_URL": store.url, **store.user().environ}

    def spawn(
        self, command: list[str], *, call: dict[str, Any] | None = None, environ: dict[str, str] | None = None
    ) -> float:
        """Return the seconds from the start of a process until it has answered `initialize`, or a call after it."""
        began, environ = time.perf_counter(), environ or self.environ
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, env=environ, **pipes) as process:
            assert process.stdin
            assert process.stdout

            def ask(id: int, method: str, params: dict[str, Any]) -> None:
                assert process.stdin
                assert process.stdout
                message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
                process.stdin.write(json.dumps(message).encode() + b"\n")
                process.stdin.flush()
                while not re.search(rf'"id": ?{id}\b'.encode(), line := process.stdout.readline()):
                    assert line, f"{command} ended"

            ask(1, "initialize", HELLO)
            if call:
                process.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
                ask(2, "tools/call", call)
            took = time.perf_counter() - began
            process.stdin.close()
            process.stdout.read()
        return took


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds that some work takes."""
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def start(bench: Bench) -> Sample:
    """Spawn to `initialize` answered."""
    floor = floors.one_tool()
    bench.spawn(SERVER)  # records the answers, where there are none yet
    return Sample(bench.spawn(SERVER), bench.spawn(floor))


async def first_call(bench: Bench) -> Sample:
    """Spawn to the first call answered: a free draft, and an echo."""
    sketch = {"name": "generate_image", "arguments": {"prompt": "a fox", "model": "sketch", "size": "64x64"}}
    echo = {"name": "echo", "arguments": {"text": "a fox"}}
    return Sample(bench.spawn(SERVER, call=sketch), bench.spawn(floors.one_tool(), call=echo))


async def list_tools(bench: Bench) -> Sample:
    """`tools/list`, asked again."""
    async with bench.client(SERVER) as ours, bench.client(floors.one_tool()) as floor:
        return Sample(await timed(ours.list_tools), await timed(floor.list_tools))


async def estimate(bench: Bench) -> Sample:
    """`estimate_cost`, and an echo: a call without a vendor."""
    async with bench.client(SERVER) as ours, bench.client(floors.one_tool()) as floor:
        await ours.call_tool("estimate_cost", FOX)
        took = await timed(lambda: ours.call_tool("estimate_cost", FOX))
        await floor.call_tool("echo", {"text": "a"})
        return Sample(took, await timed(lambda: floor.call_tool("echo", {"text": "a"})))


async def generate(bench: Bench) -> Sample:
    """A 2 MB PNG from a vendor without latency: stored, with a preview; the floor is a script."""
    async with bench.client(SERVER) as client:
        script = partial(floors.generate, bench.vendor, KEY, bench.folder)
        return await beside(lambda: bench.draw(client, f"large {time.time()}"), script)


async def edit(bench: Bench) -> Sample:
    """The same from a source of 4 MB, which the script sends as a form."""
    arguments = {"image": str(bench.source)}
    async with bench.client(SERVER) as client:
        script = partial(floors.edit, bench.vendor, KEY, bench.folder, bench.source)
        return await beside(lambda: bench.draw(client, f"edit {time.time()}", "edit_image", **arguments), script)


async def to_bucket(bench: Bench) -> Sample:
    """The same as `generate`, into a bucket; the script puts the image by boto3."""
    async with bench.client(SERVER, {"ATELIER_STORAGE": "s3", **bench.bucket}) as client:
        script = partial(floors.to_bucket, bench.vendor, KEY, bench.folder, bench.bucket)
        return await beside(lambda: bench.draw(client, f"large {time.time()}"), script)


async def beside(ours: Callable[[], Awaitable[object]], script: Callable[[], object]) -> Sample:
    """Return the medians of five calls and of five runs of a script, taken in turns."""
    await ours()
    await anyio.to_thread.run_sync(script)
    taken = [(await timed(ours), await timed(lambda: anyio.to_thread.run_sync(script))) for _ in range(5)]
    return Sample(*(statistics.median(column) for column in zip(*taken, strict=True)))


async def job_in_database(bench: Bench) -> Sample:
    """The transactions of a job with one image, in the file of this machine; the floor is the seconds of the target."""
    folder = bench.folder / "database"
    store = SqlJobStore(SqliteDatabase(folder / "journal.db"), FileProcessLock(folder / "processes"))
    try:
        return Sample(statistics.median([await timed(partial(_live, store)) for _ in range(60)]), JOB_SECONDS)
    finally:
        await store.aclose()


async def _live(store: SqlJobStore) -> None:
    """Write what a job writes, in its order."""
    job, call = new_id("job"), new_id("chg")
    identity, price = CallIdentity(caller="1", fingerprint=job), Decimal("0.01")
    reserved = Reservation(
        id=call, job=job, caller="1", provider="openai", model="m", operation="generate", pictures=1, usd=price
    )
    await store.find_duplicate(identity)
    await store.open_job(NewJob(id=job, identity=identity, request=FOX), [reserved], Caps())
    await store.mark_sent(call)
    await store.add_asset(job, call, new_id("img"))
    await store.settle_call(call, price)
    await store.finish_job(job, JobState.COMPLETED, {"images": [FOX]})
    await store.mark_delivered(job)


async def at_once(bench: Bench) -> Sample:
    """Eight calls at once, of which the vendor takes a second each."""
    async with bench.client(SERVER) as client:

        async def all_of_them() -> None:
            async with anyio.create_task_group() as tasks:
                for number in range(8):
                    tasks.start_soon(bench.draw, client, f"slow {number} {time.time()}")

        return Sample(await timed(all_of_them), 1.0)


async def answers_under_load(bench: Bench) -> Sample:
    """The 99th percentile of `tools/list` while 16 generations of 2 MB run, and the slowest of an idle server."""
    async with bench.client(SERVER) as client:
        idle = [await timed(client.list_tools) for _ in range(50)]
        under_load = list[float]()
        async with anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as drawing:

                async def ask() -> None:
                    while True:
                        under_load.append(await timed(client.list_tools))
                        await anyio.sleep(0.005)

                tasks.start_soon(ask)
                for number in range(16):
                    drawing.start_soon(bench.draw, client, f"large {number} {time.time()}")
            tasks.cancel_scope.cancel()
        return Sample(sorted(under_load)[int(0.99 * len(under_load))], max(idle))


MEASURES: dict[str, tuple[Callable[[Bench], Awaitable[Sample]], float]] = {
    "start: spawn to initialize": (start, 0.12),
    "start: spawn to first call": (first_call, 1.10),
    "tools/list": (list_tools, 1.2),
    "estimate_cost": (estimate, 1.4),
    "generate_image, 2 MB PNG": (generate, 1.15),
    "edit_image, 4 MB source": (edit, 1.2),
    "generate_image to S3": (to_bucket, 1.2),
    "a job's life in SQLite": (job_in_database, 1.0),
    "8 calls at once, vendor takes 1 s": (at_once, 1.10),
    "tools/list, 16 generations run": (answers_under_load, 2.2),
}
"""Name -> the measure, and the ratio to its floor that is the target."""
