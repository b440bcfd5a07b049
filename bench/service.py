"""The HTTP service under load: `uv run python -m bench.service`.

calls in flight   500 at once, of which the vendor takes two seconds each: the median, the slowest, the memory of each;
                  beside a FastAPI service of a dozen lines that forwards them with httpx2 and writes the image
CPU of a job      256 pixels, stored, no preview; beside a script that does the same without any promise
jobs a second     through two replicas on one PostgreSQL server, and how busy that server's processes were
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio

from atelier.providers.testing.emulators.openai_rules import KEY
from atelier.providers.transport.network.http_client import httpx
from bench import floors
from bench.vendor import vendor_process
from tests.postgres import new_database
from tests.server.http_process import FOX, Server, body_of, serving, token

CALLS, JOBS = 500, 200
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def service(vendor: str, **more: str) -> Generator[Server]:
    """Serve with a state folder of its own, and the vendor."""
    folder = Path(tempfile.mkdtemp(prefix="atelier-service-"))
    environ = {
        "ATELIER_STATE_DIR": str(folder / "state"),
        "ATELIER_OUTPUT_DIR": str(folder / "out"),
        "ATELIER_CONCURRENCY": "1000",
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": vendor,
    }
    with serving({**environ, **more}) as server:
        yield server


async def in_flight(url: str) -> list[float]:
    """Return the seconds of each of the calls to a service, which begin together."""
    took, limits = list[float](), httpx.Limits(max_connections=None)
    headers = {"Authorization": f"Bearer {token()}"}
    async with httpx.AsyncClient(headers=headers, timeout=120, limits=limits, trust_env=False) as web:

        async def ask(number: int) -> None:
            began = time.perf_counter()
            body = body_of({**FOX, "prompt": f"patient {number} {time.time()}"})
            answer = await web.post(f"{url}/image/generate", json=body)
            assert answer.status_code == 200, answer.text
            took.append(time.perf_counter() - began)

        async with anyio.create_task_group() as tasks:
            for number in range(CALLS):
                tasks.start_soon(ask, number)
    return took


def cpu(pid: int) -> float:
    """Return the CPU seconds of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_kb(pid: int) -> float:
    """Return the memory of a process (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def postgres_cpu() -> float:
    """Return the CPU seconds of every process of PostgreSQL so far (Linux)."""
    found = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if "postgres" in (folder / "comm").read_text():
                found += cpu(int(folder.name))
        except OSError:
            continue
    return found


def jobs(servers: Iterable[Server], count: int) -> float:
    """Return the seconds of so many small jobs, sixteen at once, by turns on each server."""
    order = list(servers)

    def draw(number: int) -> None:
        asked = {**FOX, "prompt": f"small {number} {time.time()}"}
        assert order[number % len(order)].draw(asked).status_code == 200

    began = time.perf_counter()
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(draw, range(count)))
    return time.perf_counter() - began


def waiting(vendor: str) -> Iterable[str]:
    """Measure calls in flight, of Atelier and of its floor."""
    with service(vendor) as server:
        jobs([server], 20)
        yield f"{CALLS} calls in flight: {_waiting(server.url, server.process.pid)}"
    with floors.forwarding(vendor, KEY) as (url, pid):
        yield f"of the service that forwards: {_waiting(url, pid)}"


def _waiting(url: str, pid: int) -> str:
    before = resident_kb(pid)
    memory = list[float]()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(anyio.run, in_flight, url)
        while not running.done():
            memory.append((resident_kb(pid) - before) / CALLS)
            time.sleep(0.1)
    took = sorted(running.result())
    waiting = memory[: int(10 * took[0])]  # until the first has its image
    times = f"median {statistics.median(took):.2f} s, slowest {took[-1]:.2f} s"
    return f"{times}; {max(waiting):.0f} KB each while they wait, {max(memory):.0f} at most"


def cpu_of_a_job(vendor: str) -> Iterable[str]:
    """Measure the CPU of a job, and of the script."""
    with service(vendor) as server:
        jobs([server], 50)
        before = cpu(server.process.pid)
        jobs([server], JOBS)
        ours = 1000 * (cpu(server.process.pid) - before) / JOBS
    folder, before = Path(tempfile.mkdtemp()), time.process_time()
    for _ in range(JOBS):
        floors.small(vendor, KEY, folder)
    floor = 1000 * (time.process_time() - before) / JOBS
    yield f"CPU of a stored job over HTTP: {ours:.1f} ms; of the script {floor:.1f} ms"


def through_replicas(vendor: str) -> Iterable[str]:
    """Measure jobs through two replicas."""
    database = new_database()
    with ExitStack() as stack:
        servers = [stack.enter_context(service(vendor, ATELIER_STATE_URL=database)) for _ in range(2)]
        jobs(servers, 50)
        before, ours = postgres_cpu(), sum(cpu(server.process.pid) for server in servers)
        seconds = jobs(servers, JOBS)
        database_ms = 1000 * (postgres_cpu() - before) / JOBS
        replicas_ms = 1000 * (sum(cpu(server.process.pid) for server in servers) - ours) / JOBS
        share = f"CPU of a job: {replicas_ms:.1f} ms in the replicas, {database_ms:.1f} ms in the database"
        yield f"two replicas on PostgreSQL: {JOBS / seconds:.0f} jobs a second; {share}"


MEASURES: tuple[Callable[[str], Iterable[str]], ...] = (cpu_of_a_job, waiting, through_replicas)


def main() -> int:
    """Measure, and print a line of each."""
    with vendor_process() as url:
        for measure in MEASURES:
            for line in measure(url):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
