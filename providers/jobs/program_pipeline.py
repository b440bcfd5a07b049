"""The pipeline of a program without the server's settings: keys, catalog file and budget of its environment."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.catalog.host_vendors import vendors_of
from atelier.providers.core.environment import variable
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.sources import SourceReader
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pricing.budget import from_variables
from atelier.providers.transport.network.http_client import OwnTransport
from atelier.providers.vendors.hosts.settings import HOSTS, parse_hosts, require_addresses


def pipeline_from_environ(
    environ: Mapping[str, str], *, storage: Storage | None, transport: OwnTransport | None, timeout: float
) -> Pipeline:
    """Return the pipeline over every vendor. It keeps no ledger. Raises invalid_request for a bad budget or host."""
    lookup = partial(variable, environ)
    file, hosts = lookup("ATELIER_CATALOG"), parse_hosts(lookup(HOSTS))
    require_addresses(hosts, lookup)
    return Pipeline(
        Catalog(lookup, load=lambda: vendors_of(hosts, Path(file) if file else None)),
        storage,
        SourceReader(storage) if storage else None,
        budget=from_variables(lookup),
        timeout=timeout,
        transport=transport,
    )
