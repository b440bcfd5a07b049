"""docs/models.md: its table of models is what the rows say, on any day."""

from __future__ import annotations

import json
import re
from pathlib import Path

from atelier.providers.catalog.catalog_overlay import overlaid, parse_answer
from atelier.providers.pricing.price_overlay import with_prices
from atelier.providers.pricing.price_table import table
from atelier.providers.vendors.registry import all_providers
from atelier.server.cli.making.models import markdown
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.cli.in_process import atelier

PAGE = (Path(__file__).parents[1] / "docs/models.md").read_text(encoding="utf-8")


def shown() -> str:
    found = re.search(r"<!-- models -->\n(.*?)\n<!-- /models -->", PAGE, flags=re.DOTALL)
    assert found
    return found[1]


def test_the_page_lists_the_models_as_they_are() -> None:
    assert shown() == markdown(all_providers()), "run `uv run python -m tests.generated`"


def test_the_command_that_the_page_names_prints_it(environ: Environ) -> None:
    assert "`atelier models --markdown`" in PAGE
    assert atelier(environ, "models", "--markdown").stdout == shown() + "\n"


def test_every_model_that_is_not_retired_is_in_the_table_once() -> None:
    for provider, row in ((p, row) for p in all_providers() for row in p.models):
        in_table = shown().count(f"`{provider.model_name(row.id)}`")
        assert in_table == (row.lifecycle.stage != "retired"), row.id


def test_the_table_has_as_many_cells_in_every_line() -> None:
    assert len({line.count("|") for line in shown().splitlines()}) == 1


def catalogue() -> str:
    (block,) = [b for b in re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL) if '"like"' in b]
    return block


@exhaustive
def test_an_ordinary_call_has_a_price_by_the_example_of_a_catalogue(environ: Environ, tmp_path: Path) -> None:
    file = tmp_path / "catalog.json"
    file.write_text(catalogue(), encoding="utf-8")
    done = atelier({**environ, "ATELIER_CATALOG": str(file)}, "cost", "a fox", "--model", "openai", "--json")
    assert json.loads(done.stdout)["total_usd"] == 0.05, done.stderr


def test_the_example_of_a_catalogue_is_one() -> None:
    block = catalogue()
    made = overlaid(all_providers(), parse_answer(block.encode()))
    assert made[0].default == "gpt-image-3"
    assert [row.id for row in made[0].models][-1] == "gpt-image-3"
    priced = with_prices(table(), parse_answer(block.encode()).prices, made)
    assert priced.rows[0].models == ("gpt-image-3",)
