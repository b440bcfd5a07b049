"""The entries of ATELIER_HOSTS: a JSON list of hosts, each a name alone or an object. See docs/compatible-hosts.md.

["openrouter", {"name": "proxy", "url": "http://litellm:4000/v1", "key": "PROXY_KEY", "models": ["gpt-image-2"]}]
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.refusals import close_names
from atelier.providers.core.types import Endpoint, Lookup
from atelier.providers.transport.base_url import host_of

HOSTS = "ATELIER_HOSTS"

AZURE_IDENTITY = "azure-identity"
"""In place of a variable of a token: the package of that name finds one on this machine."""

DialectName = Literal["openai", "azure", "together", "openrouter"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a host by its name: `key_page` is where a person makes a key.

    `url` is empty where each user has an address of their own.
    """

    title: str
    dialect: DialectName
    key: str
    url_variable: str
    url: str = ""
    key_page: str = ""


KNOWN = {
    "openrouter": Known(
        "OpenRouter",
        "openrouter",
        "OPENROUTER_API_KEY",
        "OPENROUTER_BASE_URL",
        "https://openrouter.ai/api/v1",
        "https://openrouter.ai/settings/keys",
    ),
    "azure": Known(
        "Azure OpenAI",
        "azure",
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_ENDPOINT",
        key_page="https://portal.azure.com",
    ),
    "together": Known(
        "Together",
        "together",
        "TOGETHER_API_KEY",
        "TOGETHER_BASE_URL",
        "https://api.together.xyz/v1",
        "https://api.together.ai/settings/api-keys",
    ),
    "litellm": Known("LiteLLM", "openai", "LITELLM_API_KEY", "LITELLM_BASE_URL"),
}
"""The names of which an entry may leave out what is known."""

BASE_PATHS = {"openai": "/v1", "together": "", "openrouter": "/api/v1", "azure": ""}
"""What a base URL that is set by a variable ends in, by the dialect."""


def _address(url: str) -> str:
    if host_of(url) is None:
        raise ValueError
    return url.rstrip("/")


class Strict(BaseModel):
    """A part of an entry. Its values are in no message: one may be a key in the wrong place."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class HostModel(Strict):
    """A model of a host. `like` is a listed model whose columns it has, `usd` the price of an image."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._:/-]{0,98}[A-Za-z0-9])?$")]
    like: str | None = None
    usd: Annotated[Decimal | None, Field(ge=0, le=1000, allow_inf_nan=False)] = None


class Host(Strict):
    """One entry. `key` names the variable of its key, `token` that of a bearer token of Azure, or is azure-identity."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
    title: Annotated[str, Field(min_length=1, max_length=40)] = ""
    url: Annotated[str, AfterValidator(_address)] = ""
    key: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{2,59}$")] = ""
    token: Annotated[str, Field(pattern=rf"^([A-Z][A-Z0-9_]{{2,59}}|{AZURE_IDENTITY})$")] = ""
    dialect: DialectName = "openai"
    api_version: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] = ""
    models: tuple[HostModel, ...] = ()

    @property
    def label(self) -> str:
        """The name of the host for people."""
        return self.title or (KNOWN[self.name].title if self.name in KNOWN else self.name)

    @property
    def endpoint(self) -> Endpoint:
        """Where the host is. Without a `url` of its own the variable of a known host may set it."""
        known = KNOWN.get(self.name)
        url = self.url or (known.url if known else "")
        path = urlsplit(url).path if self.url else BASE_PATHS[self.dialect]
        bearer = self.dialect != "azure" or bool(self.token)
        return Endpoint(
            base_url=url,
            base_url_variable=known.url_variable if known and not self.url else "",
            key_variables=(self.token or self.key,) if self.token != AZURE_IDENTITY else (),
            key_header="authorization" if bearer else "api-key",
            key_prefix="Bearer " if bearer else "",
            base_path=path,
            key_page=known.key_page if known else "",
            custom=bool(self.url),
        )


FIELDS = (*Host.model_fields, *HostModel.model_fields)
NOT_A_KEY = "should be the name of a variable such as TOGETHER_API_KEY, and not the key itself"
MUST = {
    "name": "should be lower-case letters, digits and -, as in my-proxy",
    "title": "should be a text of 1 to 40 characters",
    "url": "should be the address of an API, as https://host/v1, and have no user, key, query or fragment",
    "key": NOT_A_KEY,
    "token": NOT_A_KEY,
    "dialect": "should be openai, azure, together or openrouter",
    "api_version": "should be a version such as 2025-04-01-preview",
    "models": "should be a list of names, or of objects with id, like and usd",
    "id": "should be a model's name, of letters, digits and . _ : / -",
    "like": "should be the id of a listed model",
    "usd": "should be the price of an image in USD, as a number",
}


def parse_hosts(text: str | None) -> tuple[Host, ...]:
    """Return the hosts of the setting. Raises invalid_request, which names the first mistake and quotes no value."""
    if not text:
        return ()
    try:
        entries: object = json.loads(text)
    except ValueError:
        raise _wrong("it is no JSON") from None
    if not isinstance(entries, list):
        raise _wrong('it should be a list, as ["openrouter", {"name": "proxy", "url": "https://host/v1"}]')
    found = tuple(_host(entry, number) for number, entry in enumerate(cast("list[object]", entries), 1))
    names = [host.name for host in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise _wrong(f"two entries are called {twice}")
    return found


def require_addresses(hosts: Sequence[Host], lookup: Lookup) -> None:
    """Check that each host has an address, by its entry or its variable. Raises invalid_request."""
    for host in hosts:
        endpoint = host.endpoint
        names = [f"ATELIER_{endpoint.base_url_variable}", endpoint.base_url_variable]
        if not endpoint.base_url and not any(lookup(name) for name in names):
            raise _wrong(f"{host.name} has no address: give its url, or set {endpoint.base_url_variable}")


def _host(entry: object, number: int) -> Host:
    if not isinstance(entry, (str, dict)):
        raise _wrong(f"entry {number} should be a name or an object")
    given: dict[str, Any] = {"name": entry} if isinstance(entry, str) else dict(cast("dict[str, Any]", entry))
    name = given.get("name")
    known = KNOWN.get(name) if isinstance(name, str) else None
    place = str(name) if known else f"entry {number}"
    defaults = {"dialect": known.dialect, "key": known.key} if known else {}
    models = given.get("models")
    if isinstance(models, list):
        listed = cast("list[object]", models)
        given["models"] = [{"id": model} if isinstance(model, str) else model for model in listed]
    try:
        host = Host.model_validate({**defaults, **given})
    except ValidationError as error:
        raise _mistake(error.errors(include_url=False, include_input=False)[0], place) from None
    for field, value in (("url", host.url or known), ("key", host.key or host.token)):
        if not value:
            near = close_names(host.name, KNOWN)
            raise _wrong(f"{host.name} has no {field}{f'; perhaps {near[0]} is meant' if near else ''}")
    if (host.token or host.api_version) and host.dialect != "azure":
        raise _wrong(
            f"{host.name} has a {'token' if host.token else 'api_version'}, which only the dialect azure takes"
        )
    if host.token == AZURE_IDENTITY and not host.url:  # else a `.env` could have this machine's token sent elsewhere
        raise _wrong(f"{host.name} has no url, which a host with {AZURE_IDENTITY} needs")
    return host


def _mistake(problem: ErrorDetails, place: str) -> ImageError:
    """Return the validator's finding as a sentence that names the field."""
    field = next((step for step in reversed(problem["loc"]) if isinstance(step, str)), "")
    if problem["type"] == "extra_forbidden":
        secret = any(word in field.lower() for word in ("key", "token", "secret", "password", "authorization"))
        advice = "the key belongs into a variable, which `key` names" if secret else f"there are {', '.join(FIELDS)}"
        return _wrong(f"{place} has a field {sanitize(field, 40)}, which does not exist; {advice}")
    if problem["type"] == "missing":
        return _wrong(f"{place} has no {field}")
    return _wrong(f"the {field} of {place} {MUST.get(field, 'is not understood')}")


def _wrong(why: str) -> ImageError:
    return ImageError(
        Reason.INVALID_REQUEST, f"{HOSTS} is wrong: {why}.", hint="Correct it; see docs/compatible-hosts.md."
    )
