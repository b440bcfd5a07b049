"""docs/money.md: its example of an estimate is a real answer, and its table of spending is what the command prints."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from atelier.providers.pricing.budget import Caps, Reservation
from atelier.server.composition import job_store_of
from atelier.server.settings import Settings
from atelier.tools.estimate_cost import EstimateOutput
from tests.conftest import TODAY, Connect, Environ
from tests.exhaustive import exhaustive
from tests.server.mcp.test_server import text
from tests.server.test_main import atelier

PAGE = (Path(__file__).parents[1] / "docs/money.md").read_text(encoding="utf-8")


def example(page: str, name: str, language: str) -> str:
    """Return the block of code between `<!-- name -->` and `<!-- /name -->`."""
    part = page.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]
    (block,) = re.findall(rf"```{language}\n(.*?)\n```", part, flags=re.DOTALL)
    return block


@pytest.mark.anyio
async def test_the_estimate_is_a_real_answer(connect: Connect, environ: Environ) -> None:
    environ["ATELIER_BUDGET_PER_DAY"] = "5"
    async with connect() as client:
        result = await client.call_tool("estimate_cost", json.loads(example(PAGE, "estimate", "json")))
    assert text(result) == example(PAGE, "estimate", "text"), "paste the new answer"


def test_the_fields_that_it_names_are_those_of_the_answer() -> None:
    (listed,) = re.findall(r"The same is in `structuredContent` as (.*?)\. ", PAGE, flags=re.DOTALL)
    named = set(re.findall(r"`(\w+)`", listed))
    assert named == {
        name
        for name in EstimateOutput.model_fields
        if name.endswith("_usd") or name in ("basis", "arithmetic", "source", "as_of")
    }


SPENT: tuple[tuple[str, str, int, str, str | None], ...] = (
    ("openai", "gpt-image-2", 3, "0.123705", "0.12368"),
    ("flux", "flux-2-pro", 1, "0.03", "0.03"),
    ("flux", "flux-2-pro", 1, "0.03", None),
    ("stability", "stable-image-core", 1, "0.03", "0.03"),
)
"""Calls of the example: provider, model, pictures, USD reserved and billed, None where nobody knows."""


@exhaustive
@pytest.mark.anyio
async def test_the_table_of_spending_is_what_the_command_prints(environ: Environ) -> None:
    ledger = job_store_of(Settings.from_environ(environ), lambda: TODAY)
    for number, (provider, model, pictures, reserved, billed) in enumerate(SPENT):
        id = f"chg_{number}"
        charge = Reservation(
            id=id, job=id, caller="1", provider=provider, model=model, operation="generate", pictures=pictures,
            usd=Decimal(reserved),
        )  # fmt: skip
        await ledger.reserve([charge], Caps())
        await ledger.mark_sent(id)
        await (ledger.mark_call_unknown(id) if billed is None else ledger.settle_call(id, Decimal(billed)))
    assert atelier(environ, "spend").stdout == example(PAGE, "spend", "text") + "\n", "paste the new table"
    (since,) = re.findall(r"`--since (\S+)`", PAGE)
    assert date.fromisoformat(since) <= TODAY
    for by in re.findall(r"`--by (\w+)`, `(\w+)`, `(\w+)` or `(\w+)`", PAGE)[0]:
        assert atelier(environ, "spend", "--by", by, "--since", since).stdout.startswith(by)
