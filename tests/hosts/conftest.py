"""What the tests with clients of others share: one server over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.http_process import Server, serving


@pytest.fixture(scope="session")
def http_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hosts")
    environ = {"ATELIER_OUTPUT_DIR": str(folder / "out"), "ATELIER_STATE_DIR": str(folder / "state")}
    with serving(environ) as running:
        yield running
