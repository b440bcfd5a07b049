"""What the measures are compared with: the least that could do the same."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3  # pyright: ignore[reportMissingTypeStubs]

from atelier.server.mcp.previews import preview

ONE_TOOL = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("floor")

@server.tool()
def echo(text: str) -> str:
    return text

server.run()
"""
"""A server with one tool on the bare SDK."""

FORWARDER = """
import base64, sys, tempfile
import fastapi, httpx2, uvicorn

app = fastapi.FastAPI()
limits = httpx2.Limits(max_connections=None)
vendor = httpx2.AsyncClient(timeout=120, limits=limits, headers={"Authorization": f"Bearer {sys.argv[2]}"})
asked = {"model": "gpt-image-2.5-flare", "prompt": "patient"}

@app.post("/image/generate")
async def generate(body: dict):
    answer = await vendor.post(f"{sys.argv[1]}/images/generations", json=asked)
    with tempfile.NamedTemporaryFile(dir=sys.argv[3], delete=False) as file:
        file.write(base64.b64decode(answer.json()["data"][0]["b64_json"]))
    return {"path": file.name}

server = uvicorn.Server(uvicorn.Config(app, port=0, access_log=False))
server.run()
"""
"""An HTTP service that forwards each call to the vendor and writes the image, without any promise."""


def one_tool() -> list[str]:
    """Return the command that runs it."""
    file = Path(tempfile.gettempdir()) / "atelier_bench_floor.py"
    file.write_text(ONE_TOOL)
    return [sys.executable, str(file)]


@contextmanager
def forwarding(vendor: str, key: str) -> Generator[tuple[str, int]]:
    """Run the service that forwards; the values are its base URL and its process id."""
    command = [sys.executable, "-c", FORWARDER, vendor, key, tempfile.mkdtemp(prefix="atelier-bench-")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        while not (address := re.search(r"http://[\d.:]+", line := process.stderr.readline())):
            assert line, "the service did not start"
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield address[0], process.pid
        process.terminate()


def generate(url: str, key: str, folder: Path) -> bytes:
    """POST, parse, decode, write the image and the same preview of it: a generation without any promise."""
    body = json.dumps({"model": "gpt-image-2.5-flare", "prompt": "large"}).encode()
    data = _answered(f"{url}/images/generations", key, body, "application/json")
    (folder / "image.png").write_bytes(data)
    (folder / "preview.jpg").write_bytes(preview(data))
    return data


def small(url: str, key: str, folder: Path) -> None:
    """POST, parse, decode and write a small image."""
    body = json.dumps({"model": "gpt-image-2.5-flare", "prompt": "small"}).encode()
    (folder / "image.png").write_bytes(_answered(f"{url}/images/generations", key, body, "application/json"))


def edit(url: str, key: str, folder: Path, source: Path) -> None:
    """The same with a source image, as a form of two parts."""
    parts = [b'name="prompt"\r\n\r\nlarge', b'name="image[]"; filename="a.png"\r\n\r\n' + source.read_bytes()]
    body = (
        b"".join(b"--limit\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--limit--\r\n"
    )
    data = _answered(f"{url}/images/edits", key, body, "multipart/form-data; boundary=limit")
    (folder / "image.png").write_bytes(data)
    (folder / "preview.jpg").write_bytes(preview(data))


def to_bucket(url: str, key: str, folder: Path, bucket: dict[str, str]) -> None:
    """A generation, put into a bucket by boto3."""
    data = generate(url, key, folder)
    store = _store(bucket["ATELIER_S3_ENDPOINT_URL"], bucket["AWS_ACCESS_KEY_ID"], bucket["AWS_SECRET_ACCESS_KEY"])
    store.put_object(Bucket=bucket["ATELIER_S3_BUCKET"], Key="image.png", Body=data)


@cache
def _store(url: str, id: str, secret: str) -> Any:
    session: Any = boto3.Session(id, secret, region_name="us-east-1")
    return session.client("s3", endpoint_url=url)


def _answered(url: str, key: str, body: bytes, content_type: str) -> bytes:
    """Return the image of an answer."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": content_type}
    with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers)) as answer:
        return base64.b64decode(json.load(answer)["data"][0]["b64_json"])
