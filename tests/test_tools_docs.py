"""docs/tools.md: its list of parameters is what the tools take, and its examples of options are real ones."""

from __future__ import annotations

import re
from pathlib import Path

from atelier.providers.vendors.registry import all_providers
from atelier.tools import TOOLS
from atelier.tools.parameters.arguments import parse_options

SECTION = (Path(__file__).parents[1] / "docs/tools.md").read_text(encoding="utf-8")


def paragraph(tool: str) -> set[str]:
    """The words in backticks of the paragraph that begins with a tool's name."""
    (text,) = [text for text in SECTION.split("\n\n") if text.startswith(f"`{tool}`")]
    return set(re.findall(r"`([a-z_]+)`", text))


def test_every_parameter_of_every_tool_is_named_and_no_other() -> None:
    takes = {tool.name: set(tool.parameters.model_fields) for tool in TOOLS}
    drawing = takes["generate_image"]
    assert paragraph("generate_image") - {"generate_image"} == drawing
    assert takes["edit_image"] - drawing <= paragraph("edit_image")
    assert takes["estimate_cost"] - takes["edit_image"] <= paragraph("estimate_cost")
    for name in takes.keys() - {"generate_image", "edit_image", "estimate_cost"}:
        assert takes[name] <= paragraph(name)


def test_every_example_of_an_option_is_one() -> None:
    examples = re.findall(r"`([a-z_]+=[^`]+)`", SECTION.partition("\n\n`options`")[2].partition("\n\n")[0])
    limits = [limit for provider in all_providers() for row in provider.models for limit in row.limits]
    assert len(examples) > 5
    for option, value in parse_options(e for e in examples if e != "name=value").items():
        assert any(limit.option == option and limit.allows(value) for limit in limits), option
