"""`atelier models`: the table, the JSON, and the check of a scheduled job against the vendor's emulator."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import Lifecycle, Operation
from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer, Dropped
from atelier.providers.vendors import openai as openai_vendor
from atelier.providers.vendors.registry import all_providers
from atelier.server.cli.making import models as models_command
from atelier.server.cli.making import models_check
from atelier.server.cli.terminal.output import Column, table
from atelier.server.composition import catalog_of
from atelier.server.settings import Settings
from atelier.tools.model_table import offers
from tests.conftest import TODAY, Environ
from tests.exhaustive import exhaustive
from tests.server.cli.in_process import atelier
from tests.server.cli.terminal import in_terminal
from tests.vendors import only

KNOWN = {id: row.lifecycle.on for row in openai_vendor.PROVIDER.models for id in (row.id, *row.snapshots)}


def aged(**lives: Lifecycle) -> Catalog:
    """The catalogue with another lifecycle for some vendors' defaults."""

    def life(provider: Any) -> Any:
        rows = [replace(r, lifecycle=lives.get(provider.name, r.lifecycle)) if r.id == provider.default else r
                for r in provider.models]  # fmt: skip
        return replace(provider, models=tuple(rows))

    return Catalog(lambda name: None, lambda: TODAY, only(*(life(p) for p in all_providers())))


def reachable(environ: Environ, today: date = TODAY) -> Catalog:
    return Catalog(environ.get, lambda: today)


def test_the_table_is_aligned_and_names_every_model(environ: Environ) -> None:
    catalog = reachable(environ)
    text = models_command.table(offers(catalog), TODAY)
    head, *rows = text.partition("\n\n")[0].splitlines()
    column = head.index("operations")
    assert all(line[column - 2 : column] == "  " and line[column] != " " for line in rows), rows
    assert len(rows) == sum(len(catalog.listed(p)) for p in all_providers())
    assert "openai: set OPENAI_API_KEY to use it." in text.splitlines()
    assert "sketch: set" not in text
    assert any(" gpt-image-2.5-flare *" in line and " $0.0059-0.21" in line for line in rows), rows
    assert any(" flux-2-pro-preview " in line and " unknown " in line for line in rows), rows
    assert any("gpt-image-1.5" in line and " 2026-12-01 " in line for line in rows), rows
    assert "\nPrices: about, for one image" in text


def test_without_a_word_it_lists_what_can_be_used_now_and_what_to_set_for_the_others(with_openai: Environ) -> None:
    usable, _, others = atelier(with_openai, "models").stdout.partition("Not set up")
    assert "gpt-image-2.5-flare" in usable
    assert "sketch" in usable
    assert "flux-2-pro" not in usable
    assert re.search(r"^  flux +BFL_API_KEY$", others, re.MULTILINE)
    assert "openai" not in others
    everything = atelier(with_openai, "models", "--all").stdout
    assert "flux-2-pro" in everything
    assert "Not set up" not in everything
    assert "…" not in usable + everything  # nothing is cut in a pipe
    able = max((row.operations for provider in all_providers() for row in provider.models), key=len)
    longest = ", ".join(each.value for each in Operation if each in able)
    assert f" {longest} " in everything


@exhaustive
@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_table_of_all_models_fits_the_terminal_and_cuts_nothing(environ: Environ, columns: int) -> None:
    shown, _, _ = in_terminal(environ, "models", "--all", columns=columns).text.partition("\n\n")
    assert max(map(len, shown.splitlines())) <= columns
    assert "…" not in shown
    listed = [row for provider in all_providers() for row in reachable(environ).listed(provider)]
    assert len(re.findall(r"\bgenerate\b", shown)) == sum(Operation.GENERATE in row.operations for row in listed)


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        (90, ["vendor  name                  does", "acme    acme-brush            generate, edit, inpaint, upscale"]),
        (60, ["vendor  name                  does", "acme    acme-brush            generate, edit, inpaint,",
              "                              upscale"]),
        (40, ["vendor  name", "        does", "acme    acme-brush", "        generate, edit, inpaint, upscale"]),
        (30, ["vendor  name", "        does", "acme    acme-brush", "        generate, edit,",
              "        inpaint, upscale"]),
    ],
)  # fmt: skip
def test_a_column_is_continued_beside_the_others_or_below_them(columns: int, lines: list[str]) -> None:
    heads = (Column("vendor"), Column("name"), Column("does", wrapped=True))
    long_name = ("acme", "acme-brush-very-fine", "erase")
    shown = table(heads, [("acme", "acme-brush", "generate, edit, inpaint, upscale"), long_name], columns)
    assert shown.splitlines()[: len(lines)] == lines


def test_the_command_narrows_the_list(environ: Environ) -> None:
    done = atelier(environ, "models", "--operation", "upscale", "--vendor", "stability")
    assert done.returncode == 0
    assert "stable-image-upscale-fast" in done.stdout
    assert "stable-image-core" not in done.stdout
    assert "gpt-image" not in done.stdout


def test_the_options_and_styles_of_a_vendors_models_are_listed_as_they_are_given(environ: Environ) -> None:
    _, _, further = atelier(environ, "models", "--vendor", "flux").stdout.partition("Further options; those without")
    taken = dict(re.findall(r"^  (\S.*)\n    options: (.*)$", further, re.MULTILINE))
    assert taken["flux-dev"] == "--seed, guidance 1.5-5, prompt_upsampling true/false, safety_tolerance 0-6, steps 1-50"
    assert taken["flux-2-klein-9b, flux-2-klein-9b-preview, flux-2-klein-4b"] == "--seed, safety_tolerance 0-5"
    styled = atelier(environ, "models", "--vendor", "stability").stdout
    core = r"^  stable-image-core\b.*\n    options: --negative-prompt, --seed\n    styles: .*\banime,"
    assert re.search(core, styled, re.MULTILINE)
    assert "Further options" not in atelier(environ, "models").stdout
    shown = in_terminal(environ, "models", "--vendor", "flux", columns=80).lines
    assert max(map(len, shown[shown.index("Further options; those without dashes as --options NAME=VALUE:") :])) <= 80


def test_json_has_every_column(environ: Environ) -> None:
    (told,) = json.loads(atelier(environ, "models", "--json", "--vendor", "stability").stdout)["vendors"]
    assert (told["name"], told["ready"], told["variables"]) == ("stability", False, ["STABILITY_API_KEY"])
    core = told["models"][0]
    assert (core["id"], core["aliases"], core["max_prompt"]) == ("stable-image-core", ["core"], 10_000)
    assert "anime" in core["styles"]
    assert (core["low_usd"], core["high_usd"]) == (0.03, 0.03)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--vendor", "pixelmill"), "openai"),
        (("--operation", "paint"), "upscale"),
        (("--check", "--operation", "edit"), "--operation"),
        (("--markdown", "--operation", "edit"), "--operation"),
    ],
)
def test_a_wrong_filter_is_one_line(environ: Environ, arguments: tuple[str, ...], says: str) -> None:
    done = atelier(environ, "models", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr


@exhaustive
def test_a_broken_catalogue_stops_every_start_with_one_sentence(environ: Environ, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text('{"models": [{"provider": "openai", "id": "gpt-image-2", "qualites": ["low"]}]}')
    environ["ATELIER_CATALOG"] = str(file)
    with pytest.raises(ImageError) as caught:
        Settings.from_environ(environ)
    assert caught.value.message.startswith("ATELIER_CATALOG is wrong: ")
    for command in (("serve",), ("models",), ("generate", "a fox")):
        done = atelier(environ, *command)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
        assert f"in {file}, models[0].qualites: there is no such key. Did you mean “qualities”?" in done.stderr


def test_a_model_of_the_users_catalogue_is_listed_drawn_with_and_sent(
    environ: Environ, with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    file = tmp_path / "models.json"
    rows = [{"provider": "openai", "id": "gpt-image-3", "like": "gpt-image-2", "qualities": ["low"]}]
    file.write_text(json.dumps({"models": rows, "defaults": {"openai": "gpt-image-3"}}))
    environ["ATELIER_CATALOG"] = str(file)
    assert catalog_of(Settings.from_environ(environ)).resolve("openai").model.id == "gpt-image-3"
    assert "  gpt-image-3 *" in atelier(environ, "models").stdout
    assert "low" in atelier(environ, "generate", "a fox", "--quality", "high").stderr
    assert openai.requests == []
    atelier(environ, "generate", "a fox")
    assert openai.requests[-1].json["model"] == "gpt-image-3"


@pytest.mark.parametrize(
    ("life", "says"),
    [
        (Lifecycle(), ""),
        (Lifecycle("deprecated", None, "x"), "is deprecated and ends on a day not yet named; its successor is x."),
        (Lifecycle("deprecated", TODAY + timedelta(days=60), "x"), ""),
        (
            Lifecycle("deprecated", TODAY + timedelta(days=59), "x"),
            "ends on 2027-01-19, in 59 days; its successor is x.",
        ),
        (Lifecycle("deprecated", TODAY, "x"), "is retired; its successor is x."),
        (Lifecycle("retired"), "is retired."),
    ],
)
@pytest.mark.anyio
async def test_a_default_that_is_about_to_end_is_found(
    life: Lifecycle, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await models_check.check(aged(flux=life))
    printed = capsys.readouterr()
    assert code == (1 if says else 0)
    assert printed.err == ""
    assert len(printed.out.splitlines()) == 1
    assert printed.out.startswith("flux: the default flux-2-pro " if says else "Every default has at least 60 days")
    assert says in printed.out


@pytest.mark.anyio
async def test_a_vendor_whose_list_agrees_is_no_finding(
    with_openai: Environ, openai: OpenAI, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await models_check.check(reachable(with_openai)) == 0
    assert "openai was asked and agrees" in capsys.readouterr().out
    (request,) = openai.requests
    assert (request.method, request.path) == ("GET", "/v1/models")
    assert request.headers["authorization"] == f"Bearer {openai.key}"


@pytest.mark.anyio
async def test_only_a_vendor_that_publishes_it_and_whose_key_is_set_is_asked(
    with_openai: Environ, openai: OpenAI, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await models_check.check(reachable(with_openai), "flux") == 0
    del with_openai["OPENAI_API_KEY"]
    assert await models_check.check(reachable(with_openai)) == 0
    assert capsys.readouterr().out.count("No vendor was asked.") == 2
    assert openai.requests == []


@pytest.mark.parametrize(
    ("theirs", "says"),
    [
        ({"gpt-image-2": "2027-03-01"}, "gpt-image-2 ends on 2027-03-01 by the vendor, on no named day by our row."),
        ({"gpt-image-1.5": "2027-01-01"}, "gpt-image-1.5 ends on 2027-01-01 by the vendor, on 2026-12-01 by our row."),
        ({"gpt-image-1.5": None}, "gpt-image-1.5 ends on no named day by the vendor, on 2026-12-01 by our row."),
        ({"gpt-image-2": ...}, "gpt-image-2 is no longer listed by the vendor; our row has it."),
        ({"gpt-image-2-2026-04-21": ...}, "gpt-image-2-2026-04-21 is no longer listed by the vendor; our row has it."),
        ({"dall-e-3": ...}, ""),
        ({"gpt-9": "2027-01-01"}, ""),
    ],
)
@pytest.mark.anyio
async def test_a_difference_from_the_vendors_list_is_one_line(
    with_openai: Environ, openai: OpenAI, capsys: pytest.CaptureFixture[str], theirs: dict[str, Any], says: str
) -> None:
    rows = [{"id": id, "shutdown_date": day and str(day)} for id, day in (KNOWN | theirs).items() if day is not ...]
    openai.next(Answer(200, {"data": rows}))
    assert await models_check.check(reachable(with_openai)) == (1 if says else 0)
    (line,) = capsys.readouterr().out.splitlines()
    assert says in line
    assert line.startswith("openai: " if says else "Every default")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (emulated.trouble(401, "invalid_api_key", f"Incorrect API key provided: {emulated.KEY}."), "[hidden]"),
        (emulated.BROKEN_JSON, "broken"),
        (Answer(200, {"models": []}), "shape"),
        (Answer(200, {"data": [{"id": "gpt-image-2", "shutdown_date": "soon"}]}), "shape"),
        (Answer(302, b"", {"location": "https://elsewhere.example/"}), "redirect"),
    ],
)
@pytest.mark.anyio
async def test_an_answer_of_no_use_is_one_line_on_stderr(
    with_openai: Environ, openai: OpenAI, capsys: pytest.CaptureFixture[str], fault: Answer, says: str
) -> None:
    openai.next(fault)
    assert await models_check.check(reachable(with_openai)) == 1
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("atelier: openai could not be asked: ")
    assert says in line
    assert emulated.KEY not in line
    assert printed.out.strip() == ""


@pytest.mark.anyio
async def test_a_passing_failure_is_tried_again(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(Dropped(), emulated.RATE_LIMITED)
    assert await models_check.check(reachable(with_openai)) == 0
    assert len(openai.requests) == 3


@exhaustive
def test_no_network_is_one_line_without_a_traceback(environ: Environ) -> None:
    environ |= {"OPENAI_API_KEY": "sk-nobody-0123456789", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    done = atelier(environ, "models", "--check", "--vendor", "openai")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("atelier: openai could not be asked: No connection to 127.0.0.1")
