"""docs/command-line.md names every command and exit code."""

from __future__ import annotations

import re
from pathlib import Path

from atelier.server.cli.commands import COMMANDS, EXIT_CODES

PAGE = (Path(__file__).parents[3] / "docs/command-line.md").read_text(encoding="utf-8")


def test_the_page_names_every_command_and_no_other() -> None:
    assert re.findall(r"^\| `atelier ([a-z]+)", PAGE, re.MULTILINE) == [
        command.name for command in sorted(COMMANDS, key=lambda each: PAGE.index(f"| `atelier {each.name}"))
    ]
    assert set(re.findall(r"`atelier ([a-z]+)", PAGE)) <= {command.name for command in COMMANDS}


def test_the_page_has_the_exit_codes_of_the_help() -> None:
    codes = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert codes == re.findall(r"(\d+) \w+", EXIT_CODES)
