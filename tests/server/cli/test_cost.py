"""`atelier cost`, as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Environ, png
from tests.server.cli.in_process import atelier


def test_a_price_is_a_table_with_its_total(environ: Environ) -> None:
    done = atelier(environ, "cost", "a fox", "--model", "stability", "--n", "2")
    assert done.returncode == 0
    head, row, how, *_ = done.stdout.splitlines()
    assert head.split() == ["model", "images", "each", "total", "at", "least", "at", "most"]
    assert row.split() == ["stability/stable-image-core", "2", "$0.03", "$0.06", "$0.06", "$0.06"]
    assert len(head) == len(row)
    assert "credits" in how


def test_where_a_price_is_from_is_a_title_with_its_date_and_ids_are_in_the_json(environ: Environ) -> None:
    shown = atelier(environ, "cost", "a fox", "--model", "stability").stdout
    assert "\nPrices: Stability REST v2beta OpenAPI document (2026); --json names them.\n" in shown
    shown = atelier(environ, "cost", "a fox", "--model", "gpt-image-2.5-flare").stdout
    assert "third-party-tokens" not in shown
    assert ", and 3 other sources; --json names them. Part of it is a last known figure" in shown


def test_programs_read_json(environ: Environ) -> None:
    told = json.loads(atelier(environ, "cost", "--model", "stability", "--json").stdout)
    assert (told["total_usd"], told["basis"]) == (0.03, "credits")


def test_a_comparison_is_an_aligned_table(environ: Environ) -> None:
    said, head, *rows = atelier(environ, "cost", "a fox", "--compare", "--quality", "low").stdout.splitlines()
    assert "models can do it, the cheapest first" in said
    assert head.split() == ["model", "USD", "at", "most", "without"]
    assert ["sketch/sketch", "$0", "quality"] in [row.split() for row in rows if " $0 " in row]
    assert " $0 " in rows[0]
    core = next(row for row in rows if row.startswith("stability/stable-image-core"))
    assert core.index("$0.03") + len("$0.03") == head.index("USD") + len("USD")
    assert core.endswith("  quality")


def test_what_nobody_can_do_and_what_has_no_price_are_said_in_a_sentence(environ: Environ) -> None:
    nobody = atelier(environ | {"OPENAI_API_KEY": "sk-x"}, "cost", "--compare", "--operation", "upscale")
    assert nobody.stdout.splitlines()[0] == "No model can do it."
    unknown = atelier(environ, "cost", "--model", "openai/gpt-image-9")
    assert unknown.stdout.splitlines()[0] == "The price of openai/gpt-image-9 is not known."


def test_a_file_may_be_anywhere(environ: Environ, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "fox.png").write_bytes(png(320, 320))
    done = atelier(environ, "cost", "red", "--model", "gpt-image-2", "--image", str(tmp_path / "elsewhere" / "fox.png"))
    assert done.returncode == 0, done.stderr
    assert "100 source image tokens" in done.stdout
