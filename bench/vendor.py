"""A vendor in a process of its own, without latency: OpenAI's emulator, which answers by the prompt's first word.

uv run python -m bench.vendor prints its base URL, and serves until its input ends.

    large     a PNG of 2 MB
    small     an image of 256 pixels
    slow      an image of 256 pixels, after a second
    patient   an image of 256 pixels, after two seconds
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Generator

import anyio
from PIL import Image, ImageChops
from starlette.requests import Request
from starlette.responses import Response

from atelier.providers.testing.emulators.openai import OpenAI

EDGES = {"large": 896, "small": 256, "patient": 256, "slow": 256}  # pixels
DELAYS = {"slow": 1.0, "patient": 2.0}  # seconds


def photograph(edge: int) -> bytes:
    """Return a PNG that compresses about as badly as a photograph."""
    shape = Image.linear_gradient("L").transform((edge, edge), Image.Transform.EXTENT, (0, 0, 256, 256))
    channels = [ImageChops.add(shape, Image.effect_noise((edge, edge), 24), offset=-128) for _ in range(3)]
    out = io.BytesIO()
    Image.merge("RGB", channels).save(out, "PNG")
    return out.getvalue()


class Vendor(OpenAI):
    """The emulator, with answers that are encoded once."""

    def __init__(self) -> None:
        super().__init__()
        self._prepared = {word: answer(photograph(edge)) for word, edge in EDGES.items()}

    async def generations(self, request: Request) -> Response:
        """POST /images/generations"""
        word = json.loads(await request.body())["prompt"].partition(" ")[0]
        await anyio.sleep(DELAYS.get(word, 0))
        return self._answer(word) or await super().generations(request)

    async def edits(self, request: Request) -> Response:
        """POST /images/edits"""
        await request.body()
        return self._answer("large") or await super().edits(request)

    def _answer(self, word: str) -> Response | None:
        self.requests.clear()
        body = self._prepared.get(word)
        return Response(body, media_type="application/json") if body else None


def answer(image: bytes) -> bytes:
    """Return the vendor's answer with an image."""
    return json.dumps({"created": 1, "data": [{"b64_json": base64.b64encode(image).decode()}]}).encode()


@contextlib.contextmanager
def vendor_process() -> Generator[str]:
    """Run the vendor in another process; the value is its base URL."""
    command = [sys.executable, "-m", "bench.vendor"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().decode().strip()
        process.stdin.close()


if __name__ == "__main__":
    vendor = Vendor()
    with vendor.serving():
        sys.stdout.write(f"{vendor.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
