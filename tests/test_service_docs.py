"""The examples of docs/service.md print what is shown below them, and its tables name what is served."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from atelier.server.http.errors import ERRORS
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.http_process import serving, token

ROOT = Path(__file__).parents[1]
ABSENT = object()
DOCS = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- run -->\n```sh\n(.*?)\n```\n(?:```json\n(.*?)\n```\n)?<!-- /run -->", DOCS, re.DOTALL)


@exhaustive
@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl"))), reason="the examples need them")
def test_each_example_prints_what_is_shown_below_it(environ: Environ) -> None:
    assert len(EXAMPLES) == DOCS.count("<!-- run -->") > 3
    with serving(environ) as server:
        where = server.url.replace("http://127.0.0.1", "localhost")
        for command, shown in EXAMPLES:
            script = command.replace("localhost:8000", where)
            run = subprocess.run(
                ["bash", "-c", script], env={"TOKEN": token("123"), "PATH": _path()}, capture_output=True, text=True,
                check=True, cwd=ROOT, timeout=60,
            )  # fmt: skip
            printed = json.loads(run.stdout)
            assert printed["success"] is (not shown or json.loads(shown)["success"]), run.stdout
            if shown:
                wanted = json.loads(shown.replace("localhost:8000", where))
                assert differences(leaves(printed), leaves(wanted)) == [], run.stdout


def _path() -> str:
    return str(Path(shutil.which("curl") or "").parent)


def leaves(value: Any, place: str = "") -> dict[str, Any]:
    """The values of JSON by their places."""
    if isinstance(value, dict | list) and value:
        named = (
            cast("dict[str, Any]", value).items() if isinstance(value, dict) else enumerate(cast("list[Any]", value))
        )
        return {at: leaf for name, below in named for at, leaf in leaves(below, f"{place}.{name}").items()}
    return {place: value}


def differences(printed: dict[str, Any], shown: dict[str, Any]) -> list[str]:
    """The places where an answer differs from an example: texts with ... end as they like, and bytes may be others."""
    places = {*printed, *shown}
    return [at for at in places if not _alike(printed.get(at, ABSENT), shown.get(at, ABSENT), at)]


def _alike(printed: Any, shown: Any, place: str) -> bool:
    if isinstance(shown, str) and shown.endswith("..."):
        return str(printed).startswith(shown.removesuffix("..."))
    return type(printed) is type(shown) if place.endswith(".bytes") else printed == shown


def test_every_status_of_an_error_is_in_the_table() -> None:
    table = DOCS.partition("| status | when |")[2].partition("\n\n")[0]
    assert {int(status) for line in table.splitlines() for status in re.findall(r"\d{3}", line[:15])} == set(ERRORS)
