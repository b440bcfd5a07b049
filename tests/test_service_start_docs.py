"""docs/service.md: its start works as it stands, and its table has the routes that are served."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys

import anyio
import pytest

from atelier.server.http.app import app_of
from atelier.server.http.auth import verifier_of
from atelier.server.http.monitoring import Metrics
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from tests.conftest import Environ
from tests.server.http_process import SECRET
from tests.test_money_docs import example
from tests.test_service_docs import DOCS


def test_the_token_of_the_example_is_accepted(environ: Environ) -> None:
    environ["ATELIER_JWT_SECRET"] = SECRET
    (program,) = re.findall(r"python -c '(.*?)'\)", example(DOCS, "http", "sh"), flags=re.DOTALL)
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert anyio.run(verifier_of(Settings.from_environ(environ)), done.stdout.strip()) == "alice"


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl", "openssl"))), reason="the example needs them")
def test_the_example_prints_a_picture_as_it_is_pasted_and_ends_as_is_said(environ: Environ) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    block = example(DOCS, "http", "sh").replace("localhost:8000", f"localhost:{port}")
    block = block.replace("atelier serve --http", f"{sys.executable} -m atelier.server serve --http --port {port}")
    block = block.replace("uv run --no-project --with pyjwt python", sys.executable)
    (end,) = re.findall(r"`(kill .*?)` in the same shell", DOCS)
    done = subprocess.run(
        ["bash", "-c", f"{block}\n{end}; wait"], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert json.loads(done.stdout)["data"]["images"], done.stderr


def test_the_routes_are_those_that_are_served(environ: Environ) -> None:
    paths = app_of(build_server(Settings.from_environ(environ)), Metrics(), None).openapi()["paths"]
    table = DOCS.partition("| route |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`((?:GET|POST|DELETE) /\S+)`", table))
    assert named == {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
