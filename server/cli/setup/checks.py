"""What `atelier doctor` checks: this machine (settings, folders, database, versions, hosts), then the network.

Vendors' keys are checked by a call that costs nothing, the bucket by a small object, the clock by vendors' answers.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import anyio

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.concurrency import run_concurrently
from atelier.providers.core.environment import key_variable
from atelier.providers.core.errors import ImageError
from atelier.providers.transport.network.http_client import vendor_client
from atelier.providers.transport.response import refusal_error
from atelier.providers.transport.vendor_errors import error_status
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Provider
from atelier.server.cli.setup.host_files import UnchangedError
from atelier.server.cli.setup.hosts import HOSTS
from atelier.server.cli.setup.init import started_by
from atelier.server.composition import catalog_of, job_store_of
from atelier.server.settings import Settings
from atelier.server.settings.fields import STATE_URL
from atelier.server.settings.stored_keys import config_file
from atelier.server.storage.s3_client import Connection

State = Literal["ok", "note", "failed"]

MIN_FREE_BYTES = 500_000_000
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
CALL_TIMEOUT = 15.0  # seconds
MAX_SKEW = 300.0  # seconds between this clock and others; S3 refuses signatures that are older than 15 minutes


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `hint` says what to do about it."""

    area: str
    name: str
    state: State
    message: str
    hint: str = ""


def failed(area: str, name: str, error: ImageError) -> Check:
    """Return the finding of an error."""
    return Check(area, name, "failed", error.message, error.hint)


def settings_checks(settings: Settings, notices: list[str]) -> Iterator[Check]:
    """Yield where the settings are from, what is not used of them, and which keys are set."""
    file = config_file()
    yield Check("settings", "file", "ok", f"{file}{'' if file.is_file() else ' (not there)'}")
    for notice in notices:
        yield Check("settings", "unused", "note", notice)
    catalog = catalog_of(settings)
    keyed = [provider for provider in catalog.providers if provider.endpoint.key_variables]
    found = [(each, name) for each in keyed if (name := key_variable(each.endpoint, settings.lookup))]
    for provider, name in found:
        yield Check("settings", provider.name, "ok", f"key set: {settings.origin(name)}")
    if not found:
        hint = "Store one: atelier keys set openai"
        yield Check("settings", "keys", "note", "No vendor's key is set; images are drafts by sketch.", hint)


def folder_checks(settings: Settings) -> Iterator[Check]:
    """Yield whether the folders can be written, and have room."""
    folders = {"images": settings.pictures, "state": settings.state}
    for name, folder in folders.items():
        try:
            existing = next(each for each in (folder, *folder.parents) if each.exists())
            probe = existing / f".atelier-doctor-{uuid4().hex[:8]}"
            probe.write_bytes(b"")
            probe.unlink()
            free = shutil.disk_usage(existing).free
        except OSError as error:
            why = error.strerror or type(error).__name__
            hint = f"Check its permissions, or set ATELIER_{'OUTPUT' if name == 'images' else 'STATE'}_DIR."
            yield Check("folders", name, "failed", f"{folder} cannot be written ({why}).", hint)
            continue
        words = f"{folder}{'' if folder.exists() else ' (made when it is needed)'}, {free / 1e9:.0f} GB free"
        yield Check("folders", name, "ok" if free > MIN_FREE_BYTES else "note", words)


async def database_check(settings: Settings) -> Check:
    """Return whether the job store can be read."""
    where = "PostgreSQL" if settings.lookup(STATE_URL) else str(settings.state / "journal.db")
    try:
        async with aclosing(job_store_of(settings)) as store:
            jobs = await store.list_jobs(1, None)
    except ImageError as error:
        return failed("database", "jobs", error)
    return Check("database", "jobs", "ok", where if jobs else f"{where} (no jobs yet)")


def network_checks(settings: Settings) -> Iterator[Check]:
    """Yield which proxies and certificates are in use, and whether the certificates can be read."""
    from atelier.providers.transport.network.http_client import environment_transport

    proxies = [name for name in PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    own = [f"{name}={os.environ[name]}" for name in CERTIFICATES if os.environ.get(name)]
    try:
        environment_transport()
    except ImageError as error:
        yield failed("network", "proxy and certificates", error)
        return
    yield Check("network", "proxy", "ok", ", ".join(proxies) or "none")
    yield Check("network", "certificates", "ok", ", ".join(own) or "this machine's")


def version_checks() -> Iterator[Check]:
    """Yield the versions that a report of a problem needs."""
    yield Check("versions", "atelier", "ok", version("atelier-mcp"))
    yield Check("versions", "python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield Check("versions", "system", "ok", f"{platform.system()} {platform.release()} {platform.machine()}")
    yield Check("versions", "libraries", "ok", f"mcp {version('mcp')}, SQLite {sqlite3.sqlite_version}")


def host_checks() -> Iterator[Check]:
    """Yield what each installed host would start as Atelier."""
    for host in (host for host in HOSTS if host.is_installed):
        try:
            command = started_by(host)
        except UnchangedError as error:
            yield Check("hosts", host.name, "failed", f"{host.file and host.file()}: {error}.", "Correct the file.")
            continue
        setup = f"Set it up: atelier init {host.name} --write"
        if command is None:
            yield Check("hosts", host.name, "note", "installed, without Atelier", setup)
        elif not command or not (shutil.which(command[0]) or Path(command[0]).is_file()):
            words = " ".join(command) or "nothing"
            yield Check("hosts", host.name, "failed", f"starts {words}, which is not there.", setup)
        else:
            yield Check("hosts", host.name, "ok", f"starts {' '.join(command)}")


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
