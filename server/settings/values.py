"""Validate the values of settings, with the error message for a wrong one."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.catalog.host_vendors import vendors_of
from atelier.providers.core.errors import ImageError, invalid_request, sanitize
from atelier.providers.vendors.hosts.settings import KNOWN, Host, parse_hosts

NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")

MUST = {
    "bool_parsing": "be on or off",
    "float_parsing": "be a number",
    "int_parsing": "be a whole number",
    "decimal_parsing": "be a number of USD",
    "string_pattern_mismatch": "be an address that begins with http:// or https://",
    "literal_error": "be local or s3",
}
"""What a value should be, where pydantic's own message speaks of types."""

NAMED = {
    "customer_id": "be letters, digits and . _ @ - only, and a number be above 0",
    "log_level": "be debug, info, warning or error",
    "s3_addressing": "be auto, virtual or path",
    "preview": "be auto, small or off",
}
"""The same for single settings."""


def listed_hosts(value: object) -> object:
    """Return the hosts of the setting. Raises invalid_request for a wrong entry."""
    return parse_hosts(value) if isinstance(value, str) else value


def checked_hosts(hosts: tuple[Host, ...]) -> tuple[Host, ...]:
    """Refuse a host with a name that is taken, or a model that is like none, so that it stops the start.

    The names of known hosts are free, so that for these alone no vendor is loaded here.
    """
    if any(host.name not in KNOWN or any(model.like for model in host.models) for host in hosts):
        vendors_of(hosts, None)
    return hosts


def checked_catalog(file: Path | None, info: ValidationInfo) -> Path | None:
    """Refuse a catalog file that is wrong, so that it stops the start and not the first call."""
    if file:
        vendors_of(info.data.get("hosts", ()), file)
    return file


def checked_fallback(models: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """Refuse a fallback that names no model. What a model can do is not checked here."""
    hosts, file = info.data.get("hosts", ()), info.data.get("catalog")
    catalog = Catalog(lambda name: None, load=lambda: vendors_of(hosts, file))
    for name in models:
        try:
            catalog.resolve(name)
        except ImageError as error:
            message = f"ATELIER_FALLBACK is wrong: no model is called “{sanitize(name, 60)}”."
            raise invalid_request(message, error.hint) from None
    return models


def is_customer(id: str) -> bool:
    """Return whether an id may be a customer's: a number has to be above 0."""
    return not NUMBER.fullmatch(id) or Decimal(id) > 0


def checked_customer(id: str) -> str:
    """Return the id. Raises ValueError for one that is no customer's."""
    if not is_customer(id):
        raise ValueError("not above 0")
    return id


Usd = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Address = Annotated[str, Field(pattern=r"^https?://[^/\s]+\S*$")]


def folder_prefix(prefix: str) -> str:
    """Return a prefix of keys as that of a folder."""
    return f"{prefix.strip('/')}/" if prefix.strip("/") else ""
