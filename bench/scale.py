"""What a day of many images takes, on paper: `uv run python -m bench.scale`.

The CPU and the memory of a job are measured on the real service, over HTTP, with a vendor without latency and a SQLite
file; transactions and bucket requests are counted from the code, and named here.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.openai_rules import KEY
from tests.server.http_process import FOX, Server, serving

JOBS = 100
VENDOR_SECONDS = 15.0  # an image of medium quality
PEAK = 3.0  # the busiest minute, by the average
BUSY = 0.5  # of a core that is planned with
IMAGE_MB = 1.5

TRANSACTIONS = 8
"""Of a job with one image: find a duplicate, check the budget, open, sent, asset, settled, finished, delivered."""
BUCKET_REQUESTS = 3
"""PUT of the image, its record and its preview."""

PUT_USD = 5e-6  # Amazon S3 Standard, us-east-1, a PUT request (price list, November 2026: verify before use)
GB_MONTH_USD = 0.023  # and a GB for a month


class Job(NamedTuple):
    """What one job takes of a replica."""

    cpu_ms: float
    resident_mb: float


def measure() -> Job:
    """Return the CPU of a job, and the memory of the service after JOBS of them."""
    folder, vendor = Path(tempfile.mkdtemp(prefix="atelier-scale-")), OpenAI()
    with vendor.serving():
        environ = {
            "ATELIER_STATE_DIR": str(folder / "state"),
            "ATELIER_OUTPUT_DIR": str(folder / "out"),
            "ATELIER_CONCURRENCY": "16",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": vendor.url,
        }
        with serving(environ) as server, ThreadPoolExecutor(8) as threads:
            _draw(server, "warm up")
            before = _cpu(server)
            list(threads.map(partial(_draw, server), [f"a fox, number {number}" for number in range(JOBS)]))
            return Job(1000 * (_cpu(server) - before) / JOBS, _resident_mb(server))


def _draw(server: Server, prompt: str) -> None:
    assert server.draw({**FOX, "prompt": f"{prompt} {time.time()}"}).status_code == 200


def _cpu(server: Server) -> float:
    """Return the CPU seconds of the process so far (Linux)."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(server: Server) -> float:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def table(job: Job, images: int) -> list[tuple[str, str]]:
    """Return what so many images a day take."""
    rate = PEAK * images / 86_400
    cores = rate * job.cpu_ms / 1000 / BUSY
    return [
        ("images a second, at the peak", f"{rate:,.0f}"),
        ("calls in flight", f"{rate * VENDOR_SECONDS:,.0f}"),
        ("replicas of one core", f"{max(2, -(-cores // 1)):,.0f}"),
        ("database transactions a second", f"{rate * TRANSACTIONS:,.0f}"),
        ("bucket requests a second", f"{rate * BUCKET_REQUESTS:,.0f}"),
        ("memory of the replicas, GB", f"{max(2, -(-cores // 1)) * job.resident_mb / 1024:,.1f}"),
        ("new data a day, TB", f"{images * IMAGE_MB / 1e6:,.1f}"),
        ("bucket requests a day, USD", f"{images * BUCKET_REQUESTS * PUT_USD:,.0f}"),
        ("storage of a day's images, USD a month", f"{images * IMAGE_MB / 1000 * GB_MONTH_USD:,.0f}"),
    ]


def main() -> int:
    """Measure, and print the table."""
    job = measure()
    small, large = table(job, 1_000_000), table(job, 100_000_000)
    sys.stdout.write(f"measured: {job.cpu_ms:.0f} ms of CPU for a job, {job.resident_mb:.0f} MB resident\n")
    sys.stdout.write(f"{'':40} {'1 million a day':>16} {'100 million a day':>18}\n")
    for (name, one), (_, other) in zip(small, large, strict=True):
        sys.stdout.write(f"{name:40} {one:>16} {other:>18}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
