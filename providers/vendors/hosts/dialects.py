"""Makes the vendor of a host by its dialect. The module of a dialect is imported when a host has it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.hosts.settings import Host


def provider_of(host: Host) -> Provider:
    """Return the vendor. Raises invalid_request for a model that is like none."""
    return import_module(f"{__package__}.{host.dialect}").provider_of(host)


def host_providers(hosts: Iterable[Host]) -> tuple[Provider, ...]:
    """Return the vendor of each host."""
    return tuple(provider_of(host) for host in hosts)
