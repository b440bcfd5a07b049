"""`atelier cost`: print what an image would cost, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import anyio

from atelier.providers.core.concurrency import no_progress
from atelier.providers.images.allowed_files import (
    AmbiguousNameError,
    OutsideFoldersError,
    candidate_paths,
    find_similar_name,
    strip_quotes,
)
from atelier.providers.jobs.service import ImageService
from atelier.providers.pricing.price_parts import usd
from atelier.providers.pricing.price_table import Source, SourceKind
from atelier.server.cli.signatures.options import parameters_in, validated
from atelier.server.cli.terminal.messages import usage_errors
from atelier.server.cli.terminal.output import Column, say, say_json, table
from atelier.server.composition import pipeline_of, storage_of, styles_of
from atelier.server.settings import Settings
from atelier.tools import estimate_cost
from atelier.tools.estimate_cost import EstimateOutput
from atelier.tools.tool import Call

PRICED = (
    Column("model", flexible=True),
    *(Column(head, right=True) for head in ("images", "each", "total")),
    *(Column(head, right=True, spare=True) for head in ("at least", "at most")),
)
COMPARED = (Column("model"), Column("USD", right=True), Column("at most", right=True), Column("without", flexible=True))


KINDS = get_args(SourceKind)  # the most reliable first
PRICE_FROM = "Price from "


def cost(*, json: bool, given: Mapping[str, Any]) -> int:
    """Print what an image would cost, without making it."""
    anyio.run(_estimate, parameters_in(estimate_cost.TOOL, given), json)
    return 0


async def _estimate(given: dict[str, Any], as_json: bool) -> None:
    """Print the estimate. Source images may be any file, as for `atelier edit`."""
    given, folders = locate_files(given)
    params, settings = validated(estimate_cost.TOOL, "cost", given), Settings.load()
    async with ImageService(pipeline_of(settings, storage_of(settings), folders=folders)) as service:
        call = Call(caller=settings.customer_id, on_progress=no_progress, styles=styles_of(settings))
        catalog = service.pipeline.catalog
        with usage_errors():
            answer = await estimate_cost.run(params, service, call)
    assert isinstance(answer.data, EstimateOutput)
    if as_json:
        say_json(answer.data.model_dump(mode="json", exclude_none=True))
    else:
        keyed = (each for each in catalog.providers if each.endpoint.key_variables)
        lines = [_with_titles(line, catalog.prices.sources) for line in answer.text.splitlines()]
        say(format_estimate(answer.data, "\n".join(lines), params.n, is_set_up=any(map(catalog.usable, keyed))))


def locate_files(given: dict[str, Any]) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Return the arguments with absolute paths, and the folders of those files, which become readable.

    A person at the terminal may name any file; an agent may not.
    """
    found, folders = dict(given), list[Path]()

    def resolve(word: str) -> str:
        path = _file_named(word)
        if path is None:
            return word
        folders.append(path.parent)
        return str(path)

    for name in ("image", "mask"):
        if words := found.get(name):
            found[name] = resolve(words)
    if others := found.get("images"):
        found["images"] = [resolve(word) for word in others]
    return found, tuple(folders)


def _file_named(word: str) -> Path | None:
    """Return the path of a file that differs from the word at most in spaces and Unicode form, else None.

    When several match it returns the word's own path, so that reading it raises the error that lists them.
    """
    paths = [path.absolute() for path in candidate_paths(strip_quotes(word))]
    for path in paths:
        if path.is_file():
            return path.resolve()
    for path in paths:
        try:
            near = find_similar_name(path, (Path(path.anchor),))
        except OutsideFoldersError:
            continue
        except AmbiguousNameError:
            return path
        return near if near.is_file() else None
    return None


def format_estimate(data: EstimateOutput, text: str, count: int, *, is_set_up: bool) -> str:
    """Return the estimate with its prices as a table; an unknown price stays a sentence."""
    text_lines = text.splitlines()
    if data.models:
        if not is_set_up:
            text_lines[0] += " No vendor is set up, so all are compared; `atelier keys set` stores a key."
        rows = [
            (m.model, _usd(m.total_usd, "unknown"), _usd(m.high_usd), ", ".join(m.cannot or ())) for m in data.models
        ]
        rest = [line for line in text_lines if not line.startswith("- ")]
        columns = COMPARED if any(row[-1] for row in rows) else COMPARED[:-1]
        return "\n".join([rest[0], table(columns, [row[: len(columns)] for row in rows]), *rest[1:]])
    if data.total_usd is None:
        return text
    amounts = [_usd(amount) for amount in (data.per_image_usd, data.total_usd, data.low_usd, data.high_usd)]
    prices = table(PRICED, [(f"{data.provider}/{data.model}", str(count), *amounts)])
    return "\n".join(prices if line == data.summary else line for line in text_lines)


def _with_titles(line: str, sources: Mapping[str, Source]) -> str:
    """Return the line with the title and date of the best source of the prices in place of the sources' ids."""
    if not line.startswith(PRICE_FROM):
        return line
    ids = line.removeprefix(PRICE_FROM).split(", ")
    used = sorted((sources[id] for id in ids if id in sources), key=lambda source: KINDS.index(source.kind))
    best, *others = used
    more = f", and {len(others)} other source{'s' if len(others) > 1 else ''}" if others else ""
    doubt = " Part of it is a last known figure that was not verified." if used[-1].kind == "unverified" else ""
    return f"Prices: {best.what.partition(' (')[0]} ({best.date}){more}; --json names them.{doubt}"


def _usd(amount: float | None, unknown: str = "") -> str:
    return unknown if amount is None else usd(Decimal(str(amount)))
