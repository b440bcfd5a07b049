"""The vendors of the catalog: the registry's, then the user's compatible hosts with their stated prices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

from atelier.providers.catalog.catalog import Vendors, utc_today
from atelier.providers.catalog.catalog_overlay import with_file
from atelier.providers.core.errors import invalid_request
from atelier.providers.pricing.price_table import HOST_ENTRY, Figure, Price, Prices, Source, table
from atelier.providers.vendors.hosts.dialects import host_providers
from atelier.providers.vendors.hosts.settings import HOSTS, Host
from atelier.providers.vendors.names import name_conflict
from atelier.providers.vendors.registry import all_providers


def vendors_of(hosts: Sequence[Host], file: Path | None, today: Callable[[], date] = utc_today) -> Vendors:
    """Return every vendor and price, those of the hosts included, changed by the catalog file if there is one.

    Raises invalid_request for a host or a file that is wrong.
    """
    if not hosts:
        return with_file(all_providers(), file, today)
    providers = (*all_providers(), *host_providers(hosts))
    if conflict := name_conflict(providers):
        raise invalid_request(f"{HOSTS} is wrong: {conflict.reason}.", conflict.hint)
    return with_file(providers, file, today, with_stated_prices(table(), hosts, today))


def with_stated_prices(prices: Prices, hosts: Iterable[Host], today: Callable[[], date]) -> Prices:
    """Return the prices with those that the entries state, and with OpenAI's for a deployment of Azure like a model."""
    day = today().isoformat()
    source = Source(what=f"the entries of {HOSTS}", date=day, kind="ours")
    added = dict[str, list[Figure]]()
    for host, model in ((each, model) for each in hosts for model in each.models):
        if model.usd is not None:
            row = Price(
                provider=host.name, models=(model.id,), unit="per_image", usd=model.usd, source=HOST_ENTRY, as_of=day
            )
            added.setdefault("rows", []).append(row)
        elif model.like and host.dialect == "azure":
            for section, figure in _figures_of_openai(prices, model.like):
                own = {"provider": host.name, "models": (model.id,), "note": "at OpenAI's price, as Azure bills it"}
                added.setdefault(section, []).append(figure.model_copy(update=own))
    sections = {name: (*figures, *getattr(prices, name)) for name, figures in added.items()}
    return prices.model_copy(update={**sections, "sources": {**prices.sources, HOST_ENTRY: source}})


def _figures_of_openai(prices: Prices, model: str) -> Iterator[tuple[str, Figure]]:
    """Yield what a model costs at OpenAI. Azure bills the same tokens (third party, 2026-11)."""
    for section in ("rows", "rates", "tokens", "usual"):
        for figure in getattr(prices, section):
            if figure.provider == "openai" and model.lower() in figure.models:
                yield section, figure
