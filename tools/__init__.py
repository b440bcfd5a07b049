"""The surface: TOOLS, in the order in which they are listed. One record a tool; see `tool.py`."""

from __future__ import annotations

from typing import Any

from atelier.tools import edit_image
from atelier.tools import estimate_cost
from atelier.tools import generate_image
from atelier.tools import get_image
from atelier.tools import list_models
from atelier.tools.tool import Tool

TOOLS: tuple[Tool[Any], ...] = (
    generate_image.TOOL,
    edit_image.TOOL,
    estimate_cost.TOOL,
    list_models.TOOL,
    get_image.TOOL,
)
