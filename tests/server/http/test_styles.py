"""Styles over HTTP: the operator's for every caller, and each caller's own."""

from __future__ import annotations

from pathlib import Path

from tests.server.http_process import SKETCH, Server, data_of, reason
from tests.tools.test_styles import write


def test_over_http_a_caller_has_the_shared_styles_and_its_own(server: Server) -> None:
    write(server.environ, "shared.md", "of the operator")
    own = Path(server.environ["ATELIER_OUTPUT_DIR"]) / "customers" / "styled" / "styles"
    own.mkdir(parents=True)
    (own / "own.md").write_text("of the caller", encoding="utf-8")
    (own / "shared.md").write_text("mine", encoding="utf-8")

    def prompt(caller: str, style: str) -> str:
        return data_of(server.draw({**SKETCH, "style": style}, caller))["images"][0]["prompt_used"]

    assert prompt("styled", "own").endswith("Style: of the caller")
    assert prompt("styled", "shared").endswith("Style: mine")
    assert prompt("unstyled", "shared").endswith("Style: of the operator")
    assert reason(server.draw({**SKETCH, "style": "own"}, "unstyled")) == "unsupported_option"
    repeated = [server.draw({**SKETCH, "style": "own"}, "styled", key="styles-1") for _ in range(2)]
    assert data_of(repeated[0])["images"][0]["id"] == data_of(repeated[1])["images"][0]["id"]
    (own / "own.md").write_text("changed", encoding="utf-8")
    assert "idempotency key" in server.draw({**SKETCH, "style": "own"}, "styled", key="styles-1").text
