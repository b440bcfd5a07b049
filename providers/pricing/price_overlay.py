"""Prices of a catalogue file: checked against the models they are for, and put before the shipped ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from atelier.providers.core.errors import ImageError, invalid_request, sanitize
from atelier.providers.core.gates.refusals import close_names, did_you_mean
from atelier.providers.core.sizes import parse_size
from atelier.providers.core.types import Model
from atelier.providers.pricing.price_parts import tiers
from atelier.providers.pricing.price_table import Cell, Figure, Figures, Price, PriceEntry, Prices, Tokens
from atelier.providers.vendors.contract import Provider

SECTIONS = ("rows", "rates", "tokens", "usual")

Kind = TypeVar("Kind", bound=Figure)
Names = set[tuple[str, str]]


def with_prices(prices: Prices, added: Figures, providers: Iterable[Provider]) -> Prices:
    """Return the prices with those of a file before them. Raises invalid_request, with the place.

    A price without dimensions replaces all prices of its model's images, per image or token; rates replace prices per
    image.
    """
    if added == Figures():
        return prices
    known, sources = {provider.name: provider for provider in providers}, prices.sources | added.sources
    for name in added.sources:
        if name in prices.sources:
            raise _wrong(f"prices.sources.{name}", "this source exists already", "Choose another name.")
    seen = set[object]()
    for place, figure in _placed(added):
        if figure.source not in sources:
            hint = f"Add it to prices.sources, or use one of {', '.join(prices.sources)}."
            raise _wrong(f"{place}.source", f"there is no source “{sanitize(figure.source, 60)}”", hint)
        if figure.provider not in known:
            hint = f"The vendors are {', '.join(known)}."
            raise _wrong(f"{place}.provider", f"“{sanitize(figure.provider, 40)}” is no vendor", hint)
        for id in figure.models:
            _fits(figure, known[figure.provider], id, place)
            if (key := _key(figure, id)) in seen:
                raise _wrong(place, f"an earlier entry has this for {id}", "Join the two.")
            seen.add(key)
    outright = _named(row for row in added.rows if row.unit != "per_source" and row.cell == Cell())
    metered = _named(added.rates)
    pictures = tuple(row for row in prices.rows if row.unit != "per_source")
    sent = tuple(row for row in prices.rows if row.unit == "per_source")
    return Prices(
        as_of=prices.as_of,
        same=prices.same,
        sources=sources,
        rows=(*added.rows, *_without(pictures, outright | metered), *sent),
        rates=(*added.rates, *_without(prices.rates, outright | metered)),
        tokens=(*added.tokens, *prices.tokens),
        usual=(*added.usual, *prices.usual),
    )


def _placed(added: Figures) -> Iterator[tuple[str, Figure]]:
    for section in SECTIONS:
        entries: Sequence[Figure] = getattr(added, section)
        yield from ((f"prices.{section}[{index}]", entry) for index, entry in enumerate(entries))


def _fits(figure: Figure, provider: Provider, id: str, place: str) -> None:
    """Check that the vendor has the model, listed or not, and that a listed one offers the options of the price."""
    row = next((row for row in provider.models if id in (row.id, *row.snapshots)), None)
    if row is None and not provider.unlisted and not (provider.prefixes and id.startswith(provider.prefixes)):
        ids = [row.id for row in provider.models]
        hint = did_you_mean(close_names(id, ids)) or f"Its models: {', '.join(ids)}."
        raise _wrong(f"{place}.models", f"{provider.title} has no {sanitize(id, 60)}", hint)
    if row is None or not isinstance(figure, PriceEntry):
        return
    for dimension, offered in (("quality", row.qualities), ("resolution", tiers(row)), ("size", row.sizes)):
        words: str | None = getattr(figure, dimension)
        for word in words.split("|") if words else ():
            if word == "auto" or (word not in offered and not (dimension == "size" and _is_free(word, row))):
                has = f"It has: {', '.join(w for w in offered if w != 'auto') or 'none that prices depend on'}."
                raise _wrong(f"{place}.{dimension}", f"{id} has no {dimension} “{sanitize(word, 40)}”", has)


def _is_free(word: str, row: Model) -> bool:
    size = parse_size(word)
    return bool(size and row.size_rule and word == f"{size[0]}x{size[1]}" and row.size_rule.allows(*size))


def _key(figure: Figure, id: str) -> object:
    """Return what an entry prices; two entries for the same would contradict each other."""
    cell = figure.cell if isinstance(figure, PriceEntry) else None
    sent = figure.unit == "per_source" if isinstance(figure, Price) else None
    of = figure.of if isinstance(figure, Tokens) else None
    return type(figure), figure.provider, id, cell, sent, of


def _named(entries: Iterable[Figure]) -> Names:
    return set(chain.from_iterable(((entry.provider, id) for id in entry.models) for entry in entries))


def _without(entries: Iterable[Kind], gone: Names) -> Iterator[Kind]:
    """Yield the entries without some models, and without entries that have no model left."""
    for entry in entries:
        if left := tuple(id for id in entry.models if (entry.provider, id) not in gone):
            yield entry.model_copy(update={"models": left})


def _wrong(place: str, why: str, hint: str = "Correct it.") -> ImageError:
    return invalid_request(f"{place}: {why}.", hint)
