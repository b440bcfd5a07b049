"""Complete the arguments of prompts and of resource templates: models, vendors, sizes, styles and asset ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mcp.types import Completion

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import Model
from atelier.providers.images.asset_storage import Storage
from atelier.providers.styles.library import StyleLibrary
from atelier.server.mcp.guidance.prompt import Kind
from atelier.server.mcp.resources import images

MAX_VALUES = 100  # the protocol's limit
COMMON_SIZES = ("1024x1024", "1536x1024", "1024x1536", "auto")
COMMON_RATIOS = ("1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16")


async def completed(
    kind: Kind, value: str, others: Mapping[str, str], catalog: Catalog, styles: StyleLibrary, storage: Storage
) -> Completion | None:
    """Return the values that complete an argument. `others` are the arguments that the client has already."""
    match kind:
        case "image":
            return await images.complete_id(value, storage)
        case "style":
            return _matching(value, await _styles(styles, _row(catalog, others)))
        case "model":
            return _matching(value, _models(catalog))
        case "models":
            before, comma, last = value.rpartition(",")
            used = {name.strip() for name in before.split(",")}
            found = _matching(last.strip(), [name for name in _models(catalog) if name not in used])
            start = f"{before}, " if comma else ""
            return found.model_copy(update={"values": [f"{start}{name}" for name in found.values]})
        case "size":
            row = _row(catalog, others)
            return _matching(value, (row.sizes if row else ()) or COMMON_SIZES)
        case "aspect_ratio":
            row = _row(catalog, others)
            return _matching(value, (row.aspect_ratios if row else ()) or COMMON_RATIOS)
        case "text" | "count":
            return None


def _matching(value: str, known: Iterable[str]) -> Completion:
    """Return the values that begin with the text, then those that have it elsewhere."""
    text = value.lower()
    found = sorted((name for name in known if text in name.lower()), key=lambda name: not name.lower().startswith(text))
    return Completion(values=found[:MAX_VALUES], total=len(found), has_more=len(found) > MAX_VALUES)


def _models(catalog: Catalog) -> list[str]:
    """Return the vendors that can be used now, and the names of their models, each vendor's default first."""
    usable = [provider for provider in catalog.providers if catalog.usable(provider)]
    models = [provider.model_name(row.id) for provider in usable for row in catalog.listed(provider)]
    return list(dict.fromkeys([*(provider.name for provider in usable), *models]))


def _row(catalog: Catalog, others: Mapping[str, str]) -> Model | None:
    """Return the model that the client has chosen already."""
    try:
        return catalog.resolve(others["model"]).model if others.get("model") else None
    except ImageError:
        return None


async def _styles(library: StyleLibrary, row: Model | None) -> list[str]:
    """Return the styles of the library, then the presets of the model."""
    try:
        names = await library.names()
    except ImageError:
        names = []
    return list(dict.fromkeys([*names, *(row.styles if row else ())]))
