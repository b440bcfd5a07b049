"""The tools that an agent sees: one `Tool` record per module, collected in `TOOLS` in the order of `tools/list`.

Imports `providers`. Start with `tool` (the record), then `image_call` (what generate_image and edit_image share);
`image_answer` formats a result, `parameters` describes and validates the arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atelier.tools.tool import Tool

    TOOLS: tuple[Tool[Any], ...]

    OPTIONAL_TOOLS: tuple[Tool[Any], ...]
    """Tools that are served only when the settings name them."""


def __getattr__(name: str) -> Any:
    """Import the tools when a list of them is first used: their parameters alone are imported by every help."""
    if name not in ("TOOLS", "OPTIONAL_TOOLS"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from atelier.tools import delete_image, edit_image, estimate_cost, generate_image, get_image, list_models

    listed = (generate_image.TOOL, edit_image.TOOL, estimate_cost.TOOL, list_models.TOOL, get_image.TOOL)
    return listed if name == "TOOLS" else (delete_image.TOOL,)
