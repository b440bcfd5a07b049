"""`atelier cost`: what a picture would cost, as a table for people or as JSON for programs."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from atelier.providers.core.concurrency import no_progress
from atelier.providers.images.allowed_files import OutsideFoldersError, SeveralError, nearly_named
from atelier.providers.images.path_words import paths_of, unquoted
from atelier.providers.jobs.service import ImageService
from atelier.providers.pipeline.quotes import usd
from atelier.server.cli.output import table
from atelier.server.composition import pipeline_of, storage_of
from atelier.server.settings import Settings
from atelier.tools import estimate_cost
from atelier.tools.estimate_cost import EstimateOutput
from atelier.tools.parameters.arguments import parameters_of
from atelier.tools.tool import Call


async def estimated(given: dict[str, Any], as_json: bool) -> str:
    """The answer of estimate_cost. Pictures are files wherever they are, as for `atelier edit`."""
    given, folders = located(given)
    asked, settings = parameters_of(estimate_cost.TOOL, given), Settings.load()
    async with ImageService(pipeline_of(settings, storage_of(settings), folders=folders)) as service:
        answer = await estimate_cost.run(asked, service, Call(caller=settings.customer_id, on_progress=no_progress))
    if as_json:
        return json.dumps(answer.data.model_dump(mode="json", exclude_none=True), ensure_ascii=False)
    assert isinstance(answer.data, EstimateOutput)
    return shown(answer.data, answer.text, asked.n)


def located(given: dict[str, Any]) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """What a person named on the command line, files by their whole path, with the folders that those are in.

    A person's file may be read wherever it is; an agent's may not.
    """
    found, folders = dict(given), list[Path]()

    def whole(word: str) -> str:
        path = _file_named(word)
        if path is None:
            return word
        folders.append(path.parent)
        return str(path)

    for name in ("image", "mask"):
        if words := found.get(name):
            found[name] = whole(words)
    if others := found.get("images"):
        found["images"] = [whole(word) for word in others]
    return found, tuple(folders)


def _file_named(word: str) -> Path | None:
    """Where the file is that a word names, exactly or but for spaces and normal form; None when it names none.

    Of several the word's own path, so that they are told when it is read.
    """
    paths = [path.absolute() for path in paths_of(unquoted(word))]
    for path in paths:
        if path.is_file():
            return path.resolve()
    for path in paths:
        try:
            near = nearly_named(path, (Path(path.anchor),))
        except OutsideFoldersError:
            continue
        except SeveralError:
            return path
        return near if near.is_file() else None
    return None


def shown(data: EstimateOutput, text: str, count: int) -> str:
    """The prices of `count` pictures in a table, and around it what else the answer says. No price is a sentence."""
    said = text.splitlines()
    if data.models:
        head = ("model", "USD", "at most", "without")
        rows = [
            (m.model, _usd(m.total_usd, "unknown"), _usd(m.high_usd), ", ".join(m.cannot or ())) for m in data.models
        ]
        lines = [head, *rows]
        width = max(len(line[3]) for line in lines)
        prices = table([(*line[:3], line[3].ljust(width)) for line in lines])
        rest = [line for line in said if not line.startswith("- ")]
        return "\n".join([rest[0], prices, *rest[1:]])
    if data.total_usd is None:
        return text
    head = ("model", "pictures", "each", "total", "at least", "at most")
    amounts = [_usd(amount) for amount in (data.per_image_usd, data.total_usd, data.low_usd, data.high_usd)]
    prices = table([head, (f"{data.provider}/{data.model}", str(count), *amounts)])
    return "\n".join(prices if line == data.summary else line for line in said)


def _usd(amount: float | None, unknown: str = "") -> str:
    return unknown if amount is None else usd(Decimal(str(amount)))
