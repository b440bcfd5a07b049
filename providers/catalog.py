"""Who makes which model, and how a name is resolved."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

from atelier.providers import openai, sketch
from atelier.providers.core.errors import ImageError, Reason, quoted
from atelier.providers.core.provider import Provider
from atelier.providers.core.types import Endpoint, Lookup, Model, Operation

PROVIDERS: tuple[Provider, ...] = (openai.PROVIDER, sketch.PROVIDER)
"""Every vendor, in the order in which a default is sought: the first that has a key."""

LONGEST_ID = 100


def utc_today() -> date:
    """The day that lifecycles are judged by."""
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a name came to. `notice` says so when nobody asked for this model by name."""

    provider: Provider
    model: Model
    endpoint: Endpoint
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The vendors, seen through the settings of this process and the calendar."""

    lookup: Lookup
    today: Callable[[], date] = utc_today
    providers: tuple[Provider, ...] = PROVIDERS

    def resolve(self, name: str | None) -> Choice:
        """A model's id or alias, a vendor's name, `vendor/model`, or nothing -> who makes it.

        An unlisted id that begins as a vendor's ids do passes as it is. Anything else is unknown_model.
        """
        wanted = name or self.lookup("ATELIER_DEFAULT_MODEL")
        if wanted is None:
            return self._default()
        vendor, slash, rest = wanted.strip().lower().partition("/")
        named = next((p for p in self.providers if vendor in p.names), None)
        if named and not slash:
            return self._choice(named, _row(named, named.default))
        if named and rest:
            return self._choice(named, _row(named, rest) or _unlisted(rest))
        for provider in self.providers:
            if row := _row(provider, vendor):
                return self._choice(provider, row)
        for provider in self.providers:
            if vendor.startswith(provider.prefixes or ("\0",)) and not slash:
                return self._choice(provider, _unlisted(vendor))
        raise self._unknown(wanted)

    def located(self, provider: Provider) -> Endpoint:
        """The vendor's endpoint with the base URL and concurrency of the settings."""
        endpoint = provider.endpoint
        if not (endpoint.base_url_variable and (url := self.lookup(endpoint.base_url_variable))):
            return endpoint
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            message = f"{endpoint.base_url_variable} is not an address."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Write it as https://host/path.")
        base = url.rstrip("/")
        return replace(endpoint, base_url=base, custom=base != endpoint.base_url)

    def _default(self) -> Choice:
        for provider in self.providers:
            if provider.endpoint.key(self.lookup):
                return self._choice(provider, _row(provider, provider.default))
        free = next(p for p in self.providers if not p.endpoint.key_variables)
        keys = [p.endpoint.key_variables[0] for p in self.providers if p.endpoint.key_variables]
        notice = (
            f"No vendor key is set, so this is an offline draft by the built-in {free.name} (free, no model's work). "
            f"Set {' or '.join(keys)} for a real picture."
        )
        return self._choice(free, _row(free, free.default), notice)

    def _choice(self, provider: Provider, model: Model | None, notice: str = "") -> Choice:
        assert model is not None, f"{provider.name} lists its default"
        return Choice(provider=provider, model=model, endpoint=self.located(provider), notice=notice)

    def _unknown(self, wanted: str) -> ImageError:
        ids = [model.id for p in self.providers for model in p.models if model.lifecycle.at(self.today()) != "retired"]
        known = [*ids, *(name for p in self.providers for name in p.names)]
        near = difflib.get_close_matches(wanted.lower(), known, n=3, cutoff=0.6) or [p.default for p in self.providers]
        return ImageError(
            Reason.UNKNOWN_MODEL,
            f"No model is called “{quoted(wanted, 60)}”.",
            hint=f"Near it: {', '.join(near)}.",
            facts={"near": near},
        )


def _row(provider: Provider, name: str) -> Model | None:
    return next((row for row in provider.models if name == row.id or name in row.aliases), None)


def _unlisted(id: str) -> Model:
    """A row for a model that we do not know: everything passes, and its vendor decides."""
    return Model(id=id, operations=frozenset(Operation), max_count=10, max_sources=16, any_option=True)
