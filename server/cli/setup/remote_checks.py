"""What `atelier doctor` checks over the network: vendors' keys by a free call, the bucket, the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from uuid import uuid4

import anyio

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.concurrency import run_concurrently
from atelier.providers.core.errors import ImageError
from atelier.providers.transport.network.http_client import vendor_client
from atelier.providers.transport.response import refusal_error
from atelier.providers.transport.vendor_errors import error_status
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Provider
from atelier.server.cli.setup.checks import Check, failed
from atelier.server.composition import catalog_of
from atelier.server.settings import Settings
from atelier.server.storage.s3_client import Connection

CALL_TIMEOUT = 15.0  # seconds
MAX_SKEW = 300.0  # seconds between this clock and others; S3 refuses signatures that are older than 15 minutes

Answered = tuple[Check, datetime | None]
"""A finding about a vendor, and the time that the vendor's answer bears."""


async def vendor_checks(settings: Settings) -> list[Check]:
    """Return whether each vendor that is set up accepts the key, and whether the clocks agree."""
    catalog = catalog_of(settings)
    usable = [each for each in catalog.providers if catalog.usable(each) and each.endpoint.base_url_variable]
    checked = await run_concurrently([partial(_ask, catalog, provider) for provider in usable])
    answers = [each for each in checked if not isinstance(each, ImageError)]
    times = [time for _, time in answers if time]
    return [*(check for check, _ in answers), *([clock_check(times)] if times else [])]


async def _ask(catalog: Catalog, provider: Provider) -> Answered:
    """Make the vendor's free call, if it has one."""
    if not provider.free_path:
        return Check("vendors", provider.name, "note", "set up; it has no free call that would check that"), None
    try:
        endpoint, key = catalog.located(provider), provider.endpoint.key(catalog.lookup)
        secrets = (key,) if key else ()
        async with vendor_client(endpoint, CALL_TIMEOUT) as client:
            wire = Wire(client, endpoint, provider.explain, key=key, credentials=provider.credentials,
                        secrets=secrets, deadline=CALL_TIMEOUT)  # fmt: skip
            path = provider.free_paths.get(httpx.URL(endpoint.base_url).host, provider.free_path)
            answer = await wire.free("GET", f"{endpoint.base_url}{path}")
            if error_status(answer.content) is not None:  # some vendors refuse a key with status 200
                raise refusal_error(answer, provider.explain)
    except ImageError as error:
        return failed("vendors", provider.name, error), None
    words = "answers" if endpoint.is_local else "accepts the key"
    return Check("vendors", provider.name, "ok", f"{endpoint.base_url} {words}"), _time(answer.headers.get("date"))


def clock_check(times: list[datetime]) -> Check:
    """Return whether this machine's clock agrees with those of the vendors, by the one that is nearest."""
    skew = min(abs((datetime.now(UTC) - time).total_seconds()) for time in times)
    if skew > MAX_SKEW:
        hint = "Set the clock: signatures of S3 and links depend on it."
        return Check("system", "clock", "failed", f"It is {skew / 60:.0f} minutes off.", hint)
    return Check("system", "clock", "ok", f"within {max(1, round(skew))} s of the vendors'")


async def bucket_check(settings: Settings) -> Check:
    """Put a small object into the bucket and delete it."""
    try:
        connection = Connection(settings.bucket, settings.lookup)
        name = connection.bucket.name
        key = f"{connection.bucket.prefix}atelier-doctor-{uuid4().hex}"
        with anyio.fail_after(2 * CALL_TIMEOUT):
            await connection.run(partial(_put_and_delete, name, key))
    except ImageError as error:
        return failed("storage", "bucket", error)
    except TimeoutError:
        return Check("storage", "bucket", "failed", "The store does not answer.", "Check ATELIER_S3_ENDPOINT_URL.")
    return Check("storage", "bucket", "ok", f"{name}: an object was put and deleted")


def _put_and_delete(bucket: str, key: str, client: Any) -> None:
    client.put_object(Bucket=bucket, Key=key, Body=b"doctor")
    client.delete_object(Bucket=bucket, Key=key)


def _time(header: str | None) -> datetime | None:
    try:
        time = parsedate_to_datetime(header) if header else None
    except ValueError:
        return None
    return time if time and time.tzinfo else None
