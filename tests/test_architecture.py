"""docs/architecture.md names files that exist and every transition of the state tables."""

from __future__ import annotations

import re
from pathlib import Path

from atelier.providers.pipeline.states import CALL_TRANSITIONS, JOB_TRANSITIONS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_file_that_the_page_names_exists() -> None:
    named = [name for name in re.findall(r"`([\w/]+\.\w+)`", PAGE) if "/" in name]
    assert len(named) > 15
    roots = (ROOT, ROOT / "providers")
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_its_diagram_shows_the_transitions_that_are_allowed() -> None:
    drawn = set(re.findall(r"(\w+) --> (\w+): \w+", PAGE.replace("unknown_call", "unknown")))
    allowed = {(str(a), str(b)) for table in (JOB_TRANSITIONS, CALL_TRANSITIONS) for a, to in table.items() for b in to}
    assert drawn == allowed
