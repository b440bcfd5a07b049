"""The surface: TOOLS, in the order in which they are listed. One record a tool; see `tool.py`."""

from __future__ import annotations

from typing import Any

from atelier.tools import edit_image, estimate_cost, generate_image, get_image, list_models
from atelier.tools.tool import Tool

TOOLS: tuple[Tool[Any], ...] = (
    generate_image.TOOL,
    edit_image.TOOL,
    estimate_cost.TOOL,
    list_models.TOOL,
    get_image.TOOL,
)
