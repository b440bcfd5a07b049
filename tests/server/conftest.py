"""What the tests of the process over HTTP share: one server that free drafts are asked of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.http_process import Server, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("http")
    environ = {"ATELIER_OUTPUT_DIR": str(folder / "out"), "ATELIER_STATE_DIR": str(folder / "state")}
    with serving(environ) as running:
        yield running
