"""The names of all variables that mean something to this process."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from atelier.providers.core.environment import own_variable_names
from atelier.providers.core.types import Endpoint
from atelier.providers.vendors.hosts.settings import parse_hosts
from atelier.providers.vendors.registry import all_providers


def vendor_variables(endpoint: Endpoint) -> tuple[str, ...]:
    """Return the names of a vendor's variables, Atelier's own first."""
    bare = (*endpoint.key_variables, endpoint.base_url_variable, endpoint.folder_variable, *endpoint.variables)
    return (*own_variable_names(endpoint), *(name for name in bare if name))


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names of the settings, and of the variables of the vendors and of the user's hosts.

    The vendors are loaded only for a name that is no setting.
    """

    settings: Collection[str]
    hosts: tuple[Endpoint, ...] = ()

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoints of all vendors and hosts."""
        return [*(provider.endpoint for provider in all_providers()), *self.hosts]

    def all(self) -> list[str]:
        """Return every name."""
        return [*self.settings, *(name for endpoint in self.endpoints for name in vendor_variables(endpoint))]

    def __contains__(self, name: str) -> bool:
        name = name.removesuffix("_FILE")
        return name in self.settings or name in self.all()


def host_endpoints(hosts: str | None) -> tuple[Endpoint, ...]:
    """Return the endpoints of the hosts in the setting. Raises invalid_request for a wrong entry."""
    return tuple(host.endpoint for host in parse_hosts(hosts))
