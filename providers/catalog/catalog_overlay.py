"""The catalogue overlay: a JSON file of rows that adds models or corrects their columns without a release.

    {"models": [{"provider": "openai", "id": "gpt-image-3", "like": "gpt-image-2.5-flare", "max_count": 4},
                {"provider": "openai", "id": "gpt-image-2", "lifecycle": {"stage": "deprecated", "on": "2027-03-01"}}],
     "defaults": {"openai": "gpt-image-3"},
     "prices": {"sources": {"invoice": {"what": "our invoice", "date": "2027-01", "kind": "vendor_doc"}},
                "rows": [{"provider": "openai", "models": ["gpt-image-3"], "unit": "per_image", "usd": "0.05",
                          "quality": "low", "source": "invoice", "as_of": "2027-01"}]}}

A row has the columns of `core.types.Model`. One whose provider and id are listed changes the columns that it names;
any other is new and starts from the row that it is `like`. `prices` has the sections of prices.json (`price_table`),
each of which may be absent; its entries come before the shipped ones, and a new model has no other prices. An
unknown key is refused, since a mistake in this file would show only as a wrong bill.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from atelier.providers.catalog.catalog import utc_today
from atelier.providers.catalog.overlay_fields import Bound, Count, Life, Name, Rule, Strict, Words
from atelier.providers.core.environment import read_text
from atelier.providers.core.errors import ImageError, invalid_request, sanitize
from atelier.providers.core.gates.option_limits import Limit
from atelier.providers.core.gates.refusals import close_names, did_you_mean
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import CURRENT, Feature, Lifecycle, Model, Operation
from atelier.providers.pricing.price_overlay import with_prices
from atelier.providers.pricing.price_table import Figures, Price, Prices, Rates, Source, Tokens, Usual, table
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.names import name_conflict


class Row(Strict):
    """What the file states about one model. Only the columns that are present have an effect."""

    provider: str
    id: Name
    like: Name | None = None
    aliases: tuple[Name, ...] = ()
    snapshots: tuple[Name, ...] = ()
    operations: Annotated[frozenset[Operation], Field(min_length=1)] = frozenset()
    sizes: Words = ()
    size_rule: Rule | None = None
    aspect_ratios: Words = ()
    resolutions: Words = ()
    qualities: Words = ()
    styles: Words = ()
    backgrounds: Words = ()
    formats: Words = ()
    features: frozenset[Feature] = frozenset()
    options: frozenset[str] = frozenset()
    limits: tuple[Bound, ...] = ()
    max_count: Annotated[int, Field(ge=1)] = 1
    max_sources: Count = 0
    source_formats: Annotated[tuple[Literal["png", "jpeg", "webp", "gif"], ...], Field(min_length=1)] = ("png",)
    source_rule: Rule | None = None
    max_source_bytes: Count = 0
    max_upload_bytes: Count = 0
    max_seed: Count = 0
    max_prompt: Count = 0
    wire: str = ""
    links: bool = False
    lifecycle: Life = Life(stage="current")

    def columns(self) -> dict[str, Any]:
        """Return the columns that are present, as `Model` has them."""
        present: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set - {"provider", "like"}}
        for name, rule in (("size_rule", self.size_rule), ("source_rule", self.source_rule)):
            if rule:
                present[name] = SizeRule(**rule.model_dump())
        if self.limits:
            present["limits"] = tuple(Limit(**limit.model_dump()) for limit in self.limits)
        if "lifecycle" in present:
            present["lifecycle"] = Lifecycle(**self.lifecycle.model_dump())
        return present


class Overlay(Strict):
    """The whole file. `defaults` is the model that each vendor's name means."""

    models: tuple[Row, ...] = ()
    defaults: dict[str, Name] = {}  # noqa: RUF012 - pydantic copies it
    prices: Figures = Figures()


def with_file(
    providers: tuple[Provider, ...],
    path: Path | None,
    today: Callable[[], date] = utc_today,
    prices: Prices | None = None,
) -> tuple[tuple[Provider, ...], Prices]:
    """Return the vendors and the prices, by default the shipped ones, changed by the file if there is one.

    Raises invalid_request with the file and the place.
    """
    prices = prices or table()
    if path is None:
        return providers, prices
    text = read_text(path, f"ATELIER_CATALOG names {path}, which")
    try:
        overlay = parse_answer(text)
        changed = overlaid(providers, overlay, today)
        return changed, with_prices(prices, overlay.prices, changed)
    except ImageError as error:
        error.message = f"ATELIER_CATALOG is wrong: in {path}, {error.message}"
        raise


def parse_answer(text: str | bytes) -> Overlay:
    """Read the content of a catalogue file. Raises invalid_request, which names the first mistake."""
    try:
        return Overlay.model_validate_json(text)
    except ValidationError as error:
        raise _slip(error.errors(include_url=False, include_input=False)[0]) from None


def overlaid(
    providers: tuple[Provider, ...], overlay: Overlay, today: Callable[[], date] = utc_today
) -> tuple[Provider, ...]:
    """Return the vendors with the rows and defaults of the overlay. Raises invalid_request for what fits no vendor."""
    known = {provider.name: provider for provider in providers}
    seen = set[tuple[str, str]]()
    for index, row in enumerate(overlay.models):
        place = f"models[{index}]"
        provider = _vendor(known, row.provider, f"{place}.provider")
        if (row.provider, row.id) in seen:
            raise _wrong(place, f"{row.id} is in an earlier row", "Join the two.")
        seen.add((row.provider, row.id))
        known[row.provider] = replace(provider, models=_rows(provider, row, place))
    for vendor, id in overlay.defaults.items():
        provider = _vendor(known, vendor, "defaults")
        _known(provider, id, f"defaults.{vendor}")
        known[vendor] = replace(provider, default=id)
    _names_are_reachable(known.values())
    _defaults_are_alive([known[vendor] for vendor in overlay.defaults], today())
    return tuple(known.values())


def _rows(provider: Provider, row: Row, place: str) -> tuple[Model, ...]:
    """Return the vendor's rows with this one added or changed."""
    old = next((model for model in provider.models if model.id == row.id), None)
    if old and row.like:
        raise _wrong(f"{place}.like", f"{row.id} is listed already", "“like” is for a new model; name the columns.")
    if not old and not row.like and "operations" not in row.model_fields_set:
        hint = "Name the model that it is “like”, or its operations."
        raise _wrong(place, f"{row.id} is new and has neither “like” nor “operations”", hint)
    start = old or Model(id=row.id, operations=frozenset())
    if row.like:
        like = _known(provider, row.like, f"{place}.like")
        start = replace(like, aliases=(), snapshots=(), lifecycle=CURRENT)  # names and lifecycle are not inherited
    made = replace(start, **row.columns())
    wires = {model.wire for model in provider.models}
    if made.wire not in wires:
        hint = f"{provider.title} has: {', '.join(f'“{wire}”' for wire in sorted(wires))}. “like” copies it."
        raise _wrong(f"{place}.wire", f"“{sanitize(made.wire, 40)}” is no wire of {provider.title}", hint)
    if old:
        return tuple(made if model is old else model for model in provider.models)
    return (*provider.models, made)


def _vendor(known: dict[str, Provider], name: str, place: str) -> Provider:
    if name not in known:
        raise _wrong(place, f"“{sanitize(name, 40)}” is no vendor", f"The vendors are {', '.join(known)}.")
    return known[name]


def _known(provider: Provider, id: str, place: str) -> Model:
    ids = [model.id for model in provider.models]
    if id not in ids:
        hint = did_you_mean(close_names(id, ids)) or f"Its models: {', '.join(ids)}."
        raise _wrong(place, f"{provider.title} has no row with the id {id}", hint)
    return provider.models[ids.index(id)]


def _slip(problem: ErrorDetails) -> ImageError:
    """Return the validator's finding as a sentence with its place."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{sanitize(step, 60)}" for step in problem["loc"]]
    place = "".join(steps).removeprefix(".") or "the file"
    last = str(problem["loc"][-1]) if problem["loc"] else ""
    match problem["type"]:
        case "extra_forbidden":
            shapes = (Row, Overlay, Life, Rule, Bound, Figures, Source, Price, Rates, Tokens, Usual)
            known = {field.alias or key for shape in shapes for key, field in shape.model_fields.items()}
            near = close_names(last, known)
            return _wrong(place, "there is no such key", did_you_mean(near[:1]) or "Take it out.")
        case "missing":
            return _wrong(place, "is missing", "Add it.")
        case "json_invalid":
            return _wrong(place, f"not JSON ({problem['ctx']['error']})" if "ctx" in problem else "not JSON")
        case "string_pattern_mismatch":
            return _wrong(place, "not a name: lower case letters, digits and . _ / : - are")
        case _:
            words = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
            return _wrong(place, words)


def _names_are_reachable(providers: Collection[Provider]) -> None:
    """Check that each name means one model, and none a vendor, which comes first. Raises invalid_request."""
    if conflict := name_conflict(providers):
        raise _wrong("models", conflict.reason, conflict.hint)


def _defaults_are_alive(providers: Iterable[Provider], today: date) -> None:
    """Check that these defaults are not retired today; one would be skipped silently. Raises invalid_request."""
    for provider in providers:
        row = next(model for model in provider.models if model.id == provider.default)
        if row.lifecycle.at(today) == "retired":
            when = f" since {row.lifecycle.on.isoformat()}" if row.lifecycle.on else ""
            hint = f"Use {row.lifecycle.successor} instead." if row.lifecycle.successor else "Choose another one."
            raise _wrong(f"defaults.{provider.name}", f"{row.id} is retired{when}", hint)


def _wrong(place: str, why: str, hint: str = "Correct it.") -> ImageError:
    """Return the error for a mistake in the file, with its place."""
    return invalid_request(f"{place}: {why}.", hint)
