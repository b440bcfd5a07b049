"""The tools that an agent sees: one `Tool` record per module, collected in `TOOLS` in the order of `tools/list`.

Imports `providers`. Start with `tool` (the record), then `image_call` (what generate_image and edit_image share);
`image_answer` formats a result, `parameters` describes and validates the arguments.
"""

from __future__ import annotations

from typing import Any

from atelier.tools import delete_image, edit_image, estimate_cost, generate_image, get_image, list_models
from atelier.tools.tool import Tool

TOOLS: tuple[Tool[Any], ...] = (
    generate_image.TOOL,
    edit_image.TOOL,
    estimate_cost.TOOL,
    list_models.TOOL,
    get_image.TOOL,
)

OPTIONAL_TOOLS: tuple[Tool[Any], ...] = (delete_image.TOOL,)
"""Tools that are served only when the settings name them."""
