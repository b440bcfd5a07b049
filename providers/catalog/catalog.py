"""The models of all vendors, and how a name is resolved to one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property, partial
from typing import NoReturn

from atelier.providers.catalog.rows import ended_model, is_installed, unlisted_row
from atelier.providers.core.environment import OWN_PREFIX, base_url_variable, key_variable, setting
from atelier.providers.core.errors import ImageError, Reason, invalid_request, sanitize
from atelier.providers.core.gates.refusals import close_names, did_you_mean
from atelier.providers.core.types import Endpoint, Lookup, Model, Operation
from atelier.providers.pricing.price_table import Prices, table
from atelier.providers.transport.base_url import base_url, host_of
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.registry import all_providers

UNLISTED = re.compile(r"(?!.*(?:\.\.|//))[a-z0-9](?:[a-z0-9._:/-]{0,98}[a-z0-9])?")
"""The form of an unlisted id that may be sent to a vendor."""


Vendors = tuple[tuple[Provider, ...], Prices]
"""The vendors in their order, and what their models cost."""


def utc_today() -> date:
    """Return the day by which lifecycles are decided."""
    return datetime.now(UTC).date()


def shipped() -> Vendors:
    """Return the vendors of the registry and the shipped prices."""
    return all_providers(), table()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The vendor and model that a name means.

    `notice` is for the user, where no model was named and no key is set; `warning`, where the name is of a family
    that the vendor has ended.
    """

    provider: Provider
    model: Model
    endpoint: Endpoint
    notice: str = ""
    warning: str = ""


@dataclass(frozen=True)
class Catalog:
    """The vendors as the settings of this process and the calendar have them.

    `load` is called when the vendors are first needed, so that a server starts without importing them.
    """

    lookup: Lookup
    today: Callable[[], date] = utc_today
    load: Callable[[], Vendors] = shipped
    _endpoints: dict[str, Endpoint] = field(default_factory=dict[str, Endpoint], init=False, repr=False)

    @cached_property
    def _vendors(self) -> Vendors:
        return self.load()

    def preload(self) -> None:
        """Load the vendors before the first call; it takes a while."""
        for provider in self.providers:
            self.located(provider)

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The vendors, in the order in which a default is looked for."""
        return self._vendors[0]

    @property
    def prices(self) -> Prices:
        """What their models cost."""
        return self._vendors[1]

    def resolve(self, name: str | None, operation: Operation = Operation.GENERATE, prefer: str | None = None) -> Choice:
        """Return the vendor and model for an id, an alias, a vendor's name, `vendor/model` or None.

        A vendor's name means its default, or its first model that can do the operation. None means the setting, else
        the first vendor with a key that can do it, without any key a local server whose address is set; to edit an
        image its own vendor (`prefer`, by name) comes before both. An unlisted id with a prefix of a vendor is passed
        on unchanged. Raises unknown_model for any other.
        """
        if name:
            return self._choice(*self._named(name, operation))
        preset = self._preset(operation)
        own = self._own(prefer, operation) if operation is not Operation.GENERATE else None
        if own and not (preset and preset.provider.name == own.provider.name):
            return own
        return preset or self._first_usable(operation)

    def able(self, fits: Callable[[Model], bool]) -> list[str]:
        """Return the names of the models that are not retired and fit, the vendors' defaults first."""
        rows = [(p, row) for p in self.providers for row in self._not_retired(p) if fits(row)]
        return [p.model_name(row.id) for p, row in sorted(rows, key=lambda each: each[1].id != each[0].default)]

    def listed(self, provider: Provider) -> list[Model]:
        """Return the vendor's rows that can be used today, its default first. A custom host may serve retired ones."""
        rows = provider.models if self.located(provider).custom else self._not_retired(provider)
        return sorted(rows, key=lambda row: row.id != provider.default)

    def usable(self, provider: Provider) -> bool:
        """Return whether the vendor's key is set; of a local server, which has none, whether its address is."""
        endpoint = provider.endpoint
        if not endpoint.key_variables:
            return not endpoint.base_url_variable or base_url_variable(endpoint, None, self.lookup) is not None
        variable = key_variable(endpoint, self.lookup)
        return variable is not None and self.lookup(variable) is not None

    def _named(self, name: str, operation: Operation) -> tuple[Provider, Model, str]:
        """Return the vendor, the model, and a warning for the name of an ended family. Raises unknown_model."""
        wanted = name.strip().lower()
        vendor, _, rest = wanted.partition("/")
        for provider in self.providers:
            if wanted in provider.names:
                row = self._row_for(provider, operation) or _row(provider, provider.default.lower())
                return provider, row or self._none_listed(provider), ""
        for provider in self.providers:
            family = rest if vendor in provider.names else "" if provider.qualified else wanted
            if family in provider.ended_names:
                row = self._row_for(provider, operation) or _row(provider, provider.default)
                assert row is not None, f"{provider.name} lists its default"
                return provider, row, f"{provider.title} has ended {family}; {row.id} is used in its place."
        for provider in (p for p in self.providers if not p.qualified):
            if row := _row(provider, wanted):
                return provider, row, ""
        for provider in self.providers:
            if vendor in provider.names and rest:
                if row := _row(provider, rest):
                    return provider, row, ""
                if (provider.prefixes or provider.unlisted) and UNLISTED.fullmatch(rest):
                    return provider, unlisted_row(provider, name.strip().partition("/")[2]), ""
        for provider in (p for p in self.providers if not p.qualified):
            if wanted.startswith(provider.prefixes) and UNLISTED.fullmatch(wanted):
                return provider, unlisted_row(provider, name.strip()), ""
        if ended := ended_model(self.providers, wanted, self.today()):
            return *ended, ""
        raise self._unknown(name)

    def _preset(self, operation: Operation) -> Choice | None:
        """Return the model of ATELIER_DEFAULT_MODEL, if it can do the operation."""
        name = self.lookup("ATELIER_DEFAULT_MODEL")
        if not name:
            return None
        try:
            choice = self._choice(*self._named(name, operation))
        except ImageError as error:
            error.message = f"ATELIER_DEFAULT_MODEL is wrong. {error.message}"
            raise
        return choice if operation in choice.model.operations else None

    def _own(self, name: str | None, operation: Operation) -> Choice | None:
        """Return the vendor of that name, if it has a key that is set and can do the operation."""
        for provider in self.providers:
            if provider.name == name and provider.endpoint.key_variables and self.usable(provider):
                row = self._row_for(provider, operation)
                return self._choice(provider, row) if row else None
        return None

    def _first_usable(self, operation: Operation) -> Choice:
        usable = [p for p in self.providers if self.usable(p) and is_installed(p.package)]
        keyed = [p for p in usable if p.endpoint.key_variables]
        local = [p for p in usable if not p.endpoint.key_variables and p.endpoint.base_url_variable]
        built_in = [p for p in usable if p not in keyed and p not in local]
        for provider in keyed or [*local, *built_in]:
            if row := self._row_for(provider, operation):
                return self._choice(provider, row, notice=self._keyless(provider) if provider in built_in else "")
        message = f"None of the vendors that are set up can {operation.value.replace('_', ' ')}."
        hint = "Set the key of a vendor that can."
        if bare := next((p.name for p in keyed if not p.models), None):
            message, hint = "No model was named, and none is a default.", f"Name one, as {bare}/MODEL."
        raise ImageError(Reason.UNSUPPORTED_OPERATION, message, hint=hint)

    def _row_for(self, provider: Provider, operation: Operation) -> Model | None:
        """Return the vendor's default if it can do the operation, else its first model that can and is not retired."""
        rows = sorted(self._not_retired(provider), key=lambda row: row.id != provider.default)
        return next((row for row in rows if operation in row.operations), None)

    def _not_retired(self, provider: Provider) -> list[Model]:
        return [row for row in provider.models if row.lifecycle.at(self.today()) != "retired"]

    def located(self, provider: Provider) -> Endpoint:
        """Return the vendor's endpoint at the base URL of the settings, if one is set, with the variables in use.

        The variables of a process do not change, so the answer is computed once.
        """
        if known := self._endpoints.get(provider.name):
            return known
        endpoint = replace(provider.endpoint, setting=partial(setting, lookup=self.lookup))
        keyed_by = key_variable(endpoint, self.lookup)
        if keyed_by:  # of several variables this one is named in errors; the key may be of a host of its own
            base = dict(endpoint.base_urls).get(keyed_by.removeprefix(OWN_PREFIX), endpoint.base_url)
            endpoint = replace(endpoint, key_variables=(keyed_by,), base_url=base)
        if provider.locate:
            endpoint = replace(endpoint, base_url=provider.locate(endpoint))
        if endpoint.folder_variable:
            endpoint = replace(endpoint, folder=self.lookup(endpoint.folder_variable) or "")
        variable = base_url_variable(endpoint, keyed_by, self.lookup)
        if variable and (url := self.lookup(variable)):
            base, host = base_url(url, endpoint), host_of(url)
            if host is None:
                hint = "Write it as https://host/path, without user, query or fragment."
                raise invalid_request(f"{variable} is not the address of an API.", hint)
            custom = base != endpoint.base_url and not endpoint.is_vendor_host(host)
            endpoint = replace(endpoint, base_url=base, base_url_variable=variable, custom=custom)
        self._endpoints[provider.name] = endpoint
        return endpoint

    def _keyless(self, drawn_by: Provider) -> str:
        keys = [p.endpoint.key_variables[0] for p in self.providers if p.endpoint.key_variables]
        others = ", or another vendor's key (list_models names them)" if len(keys) > 1 else ""
        return (
            f"No vendor key is set, so this is an offline draft by the built-in {drawn_by.name} (free, not a model's)."
            + (f" Set {keys[0]} for a real image{others}." if keys else "")
        )

    def _choice(self, provider: Provider, model: Model, warning: str = "", notice: str = "") -> Choice:
        endpoint = self.located(provider)
        return Choice(provider=provider, model=model, endpoint=endpoint, notice=notice, warning=warning)

    def _none_listed(self, provider: Provider) -> NoReturn:
        message = f"{provider.title} has no model that its name stands for."
        hint = f"Name one, as {provider.name}/MODEL, or list its models in ATELIER_HOSTS."
        raise ImageError(Reason.UNKNOWN_MODEL, message, hint=hint)

    def _unknown(self, wanted: str) -> ImageError:
        rows = [(p, row) for p in self.providers for row in self._not_retired(p)]
        names = [p.model_name(name) for p, row in rows for name in (row.id, *row.aliases)]
        known = dict.fromkeys([*names, *(name for p in self.providers for name in p.names)])
        near = close_names(wanted.lower(), known)
        defaults = ", ".join(p.model_name(p.default) for p in self.providers if p.default)
        hint = did_you_mean(near) or f"Call list_models for all names; each vendor's default: {defaults}."
        message = f"No model is called “{sanitize(wanted, 60)}”."
        return ImageError(Reason.UNKNOWN_MODEL, message, hint=hint, facts={"near": near})


def _row(provider: Provider, name: str) -> Model | None:
    """Return the vendor's row with this id, alias or dated id, in lower case; a dated id is sent unchanged."""
    for row in provider.models:
        if name == row.id.lower() or name in row.aliases:
            return row
        if name in row.snapshots:
            return replace(row, id=name)
    return None
