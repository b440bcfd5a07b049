"""What the promises share: a pipeline over the vendor, its requests, and how they are compared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from email import message_from_bytes
from functools import partial
from typing import Any

import pytest
from pydantic_core import from_json

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.catalog.host_vendors import vendors_of
from atelier.providers.core.environment import variable
from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import AssetHandle, ImageResult
from atelier.providers.core.types import ImageRequest, Picture
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.testing.conformance.bench import TODAY, Bench
from atelier.providers.testing.conformance.columns import Change
from atelier.providers.testing.server import Emulator, Received
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.hosts.settings import HOSTS, parse_hosts
from atelier.providers.vendors.registry import all_providers

MAX_REQUESTS = 6
WRONG_KEY = "wrong-key-0123456789"
PRIVATE_PROMPT = "the secret garden of my aunt"


class RecordingStorage:
    """A storage that stores only the records."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        self.records.append(record)
        return AssetHandle(id=id)


def open_pipeline(bench: Bench, environ: Mapping[str, str], *, timeout: float = 30.0, **options: Any) -> Pipeline:
    """Return a pipeline over the whole catalog, so that a refusal can name another vendor's model."""
    others = tuple(provider for provider in all_providers() if provider.name != bench.name)
    _, prices = vendors_of(parse_hosts(bench.settings.get(HOSTS)), None, lambda: TODAY)
    catalog = Catalog(partial(variable, environ), lambda: TODAY, lambda: ((bench.provider, *others), prices))
    return Pipeline(catalog, timeout=timeout, **options)


async def run(bench: Bench, host: Emulator, request: ImageRequest, **options: Any) -> ImageResult:
    async with open_pipeline(bench, bench.environ(host), **options) as pipeline:
        return await pipeline.run(request)


async def refused(bench: Bench, environ: Mapping[str, str], request: ImageRequest, **options: Any) -> ImageError:
    """Return the error that a request raises; it has a message and a hint."""
    async with open_pipeline(bench, environ, **options) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(request)
    assert caught.value.message
    assert caught.value.hint
    return caught.value


def paid_requests(host: Emulator) -> list[Received]:
    """Return the requests that cost money."""
    return [request for request in without_free(host, list(host.requests)) if request.method == "POST"]


def without_free(host: Emulator, requests: Sequence[Received]) -> list[Received]:
    """Return the requests but those that cost nothing beside the paid ones, such as uploads."""
    return [request for request in requests if not request.path.startswith(host.free)]


def all_requests(bench: Bench, host: Emulator) -> list[Received]:
    hosts = {id(each): each for each in (host, bench.delivers(host))}
    return [request for each in hosts.values() for request in each.requests]


def error_text(error: ImageError) -> str:
    return f"{error!r} {error.message} {error.hint} {error.facts}"


def fields(content_type: str, body: bytes) -> dict[str, Any]:
    """Return the fields of a JSON body or of a form; a file is its size in bytes."""
    if content_type.startswith("application/json"):
        return from_json(body)
    form = message_from_bytes(b"content-type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts: Any = form.get_payload()
    return {
        part.get_param("name", header="content-disposition"): len(part.get_payload(decode=True))
        if part.get_filename()
        else part.get_payload()
        for part in parts
    }


def values_in(value: Any) -> Iterator[Any]:
    """Yield every value of a body, at any depth."""
    match value:
        case dict() | list():
            inner: Any = value  # pyright: ignore[reportUnknownVariableType] - what JSON holds
            for each in inner.values() if isinstance(value, dict) else inner:
                yield from values_in(each)
        case _:
            yield value


def same(prepared: httpx.Request, fired: Received, bench: Bench) -> bool:
    """Return whether the prepared request was sent unchanged, except for key, host, length and client headers, and for
    what the vendor adds as it is sent."""
    shown = {name: value for name, value in prepared.headers.items() if name not in ("host", "content-length")}
    sent = {name: value for name, value in fired.headers.items() if name in shown}
    body = bench.as_prepared(fired.body) if bench.as_prepared else fired.body
    whole = (prepared.method, prepared.url.path) == (fired.method, fired.path)
    named = re.sub(
        rb'"upload:[^"]*"', rb'"[^"]+"', re.escape(prepared.read())
    )  # in place of these are the vendor's names
    has_key = bench.provider.endpoint.key_header.lower() in shown
    return whole and shown == sent and re.fullmatch(named, body) is not None and not has_key


def altered(request: ImageRequest, change: Change) -> ImageRequest:
    """Return the request with a change. Its options are added to those that the operation requires."""
    options = {**request.options, **change.get("options", {})}
    return replace(request, **{**change, "options": options})


def is_for_another_host(request: Received) -> bool:
    """Return whether it was sent to another host name than that of the base URL."""
    return not request.headers["host"].startswith("127.0.0.1:")


def assert_only_the_vendor_saw_the_key(bench: Bench, host: Emulator) -> None:
    for request in all_requests(bench, host):
        ours = not is_for_another_host(request) and not request.path.startswith(bench.downloads)
        shown = bench.key in request.headers.get(bench.provider.endpoint.key_header.lower(), "")
        assert shown == ours, request.path
        assert bench.key not in f"{request.path} {request.body!r}"
        assert ours or bench.key not in repr(request.headers)
