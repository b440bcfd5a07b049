"""`atelier spend`, and the question about a price, as a person meets them."""

from __future__ import annotations

import json

import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.cli.in_process import atelier

FOX = ("a fox", "--quality", "low", "--size", "1024x1024")


def test_what_was_spent_is_added_up(with_openai: Environ, openai: OpenAI) -> None:
    assert atelier(with_openai, "spend").stdout == "Nothing was spent.\n"
    for _ in range(2):
        assert atelier(with_openai, "generate", *FOX).returncode == 0
    lines = atelier(with_openai, "spend").stdout.splitlines()
    assert lines[0].split() == ["model", "calls", "images", "USD", "of", "it", "unsettled"]
    assert lines[1].split()[:3] == ["openai/gpt-image-2.5-flare", "2", "2"]
    assert lines[-1].split()[0] == "total"
    assert len({line.find("$") for line in lines[1:]}) == 1  # aligned
    told = json.loads(atelier(with_openai, "spend", "--by", "vendor", "--json").stdout)
    assert [row["name"] for row in told["rows"]] == ["openai"]
    assert told["total_usd"] == pytest.approx(sum(row["usd"] for row in told["rows"]))
    assert told["total_usd"] > 0


@exhaustive
def test_a_day_from_which_nothing_was_spent(with_openai: Environ, openai: OpenAI) -> None:
    atelier(with_openai, "generate", *FOX)
    assert "Nothing" in atelier(with_openai, "spend", "--since", "2999-01-01").stdout
    wrong = atelier(with_openai, "spend", "--since", "yesterday")
    assert wrong.returncode == 2
    assert "YYYY-MM-DD" in wrong.stderr


def test_a_price_above_the_limit_is_refused_where_nobody_can_be_asked(with_openai: Environ, openai: OpenAI) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"
    refused = atelier(with_openai, "generate", *FOX)
    assert refused.returncode == 1
    assert "confirm" in refused.stderr
    assert openai.requests == []
    assert atelier(with_openai, "generate", *FOX, "--confirm-cost").returncode == 0
