"""Which storage and which upload queue each caller has.

                 in a folder                  in a bucket            queued, in the state folder
    over stdio   {output}/                    customers/{customer}/  spool/{customer}/
    over HTTP    {output}/customers/{name}/   customers/{name}/      spool/_callers/{name}/

A caller's name is made by `name_of`. All callers share one connection to the bucket.

Styles are in {output}/styles/, or in styles/ of the bucket: those of the customer over stdio; over HTTP the operator's,
for every caller. A caller over HTTP has more in the folder styles/ of its own images.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.asset_storage import Storage
from atelier.providers.styles.library import StyleFiles, StyleLibrary
from atelier.server.settings import Settings
from atelier.server.settings.fields import CUSTOMER
from atelier.server.storage.local import LocalStorage
from atelier.server.storage.remote_storage import RemoteStorage
from atelier.server.storage.s3 import S3Storage
from atelier.server.storage.s3_client import Bucket, Connection
from atelier.server.storage.signed_links import signed_links_of
from atelier.server.storage.style_files import BucketStyles, FolderStyles
from atelier.server.storage.upload_queue import UploadQueue

CALLERS_FOLDER = "_callers"  # no customer id begins with an underscore
PLAIN = re.compile(r"[a-z0-9][a-z0-9._@-]{0,98}[a-z0-9_@-]|[a-z0-9]")
"""Names that differ on disks without capitals too, and end in no dot, which Windows would drop."""
DIGEST = re.compile(r"sha256-[0-9a-f]{64}")
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
"""What Windows takes for a device, whatever follows the dot."""
MAX_CACHED_CALLERS = 1000  # a queue remembers that its store did not answer, so it is cached


class CallerStorages:
    """Makes the storages that the settings describe. Raises invalid_request for incomplete settings; does no I/O."""

    def __init__(self, settings: Settings) -> None:
        self._pictures = settings.pictures
        self._waiting = settings.state / "spool"
        self._customer = settings.customer_id
        self._connection = Connection(settings.bucket, settings.lookup) if settings.storage == "s3" else None
        in_bucket = None if settings.styles_dir else self._bucket_styles("styles")
        self._shared_styles = in_bucket or FolderStyles(settings.styles)
        self.links = signed_links_of(settings)
        self.of_owner = lru_cache(MAX_CACHED_CALLERS)(self._of_owner)

    def of_customer(self, customer: str | None = None) -> UploadQueue:
        """Return the queue of a customer on this machine, by default the customer of the settings."""
        name = customer or self._customer
        return self._queue(name, self._pictures, self._waiting / name)

    def of_caller(self, caller: str) -> RemoteStorage:
        """Return the storage of a remote caller, which hides this machine's folders."""
        return self.of_owner(name_of(caller))

    def _of_owner(self, name: str) -> RemoteStorage:
        """Return the storage of the remote caller with this folder."""
        return RemoteStorage(self._of_name(name), name, self.links)

    def styles_of_customer(self) -> StyleLibrary:
        """Return the styles of this machine's customer."""
        return StyleLibrary((self._shared_styles,))

    def styles_of_caller(self, caller: str) -> StyleLibrary:
        """Return the styles of a remote caller: its own, then those that the operator shares."""
        folder = f"customers/{name_of(caller)}/styles"
        own = self._bucket_styles(folder) or FolderStyles(self._pictures / folder)
        return StyleLibrary((own, self._shared_styles), remote=True)

    def _bucket_styles(self, folder: str) -> StyleFiles | None:
        connection = self._connection
        return BucketStyles(connection, f"{connection.bucket.prefix}{folder}/") if connection else None

    def all(self) -> list[UploadQueue]:
        """Return the queues of all customers and callers with a folder of queued pictures. Raises storage_failed."""
        customers = [name for name in _folders(self._waiting) if CUSTOMER.fullmatch(name)]
        callers = [name for name in _folders(self._waiting / CALLERS_FOLDER) if is_name(name)]
        return [*(self.of_customer(name) for name in customers), *(self._of_name(name) for name in callers)]

    async def stored(self) -> list[tuple[str, Storage]]:
        """Return the name and the storage of every caller with stored images. Raises storage_failed."""
        if connection := self._connection:
            names = await connection.run(partial(_folders_in_bucket, connection.bucket))
            return [(name, S3Storage(connection, name)) for name in names]
        names = await anyio.to_thread.run_sync(_folders, self._pictures / "customers")
        callers = [(name, LocalStorage(self._pictures / "customers" / name)) for name in names]
        return [(self._customer, LocalStorage(self._pictures)), *callers]

    def _of_name(self, name: str) -> UploadQueue:
        return self._queue(name, self._pictures / "customers" / name, self._waiting / CALLERS_FOLDER / name)

    def _queue(self, name: str, folder: Path, waiting: Path) -> UploadQueue:
        queued = LocalStorage(waiting, "ATELIER_STATE_DIR")
        if self._connection:
            return UploadQueue(S3Storage(self._connection, name), queued, write_ahead=True)
        return UploadQueue(LocalStorage(folder), queued, write_ahead=False)


def name_of(caller: str) -> str:
    """Return the folder of a caller, in the output folder and in a bucket.

    An identity provider chooses a caller's id: `auth0|12`, an address, a path. So the name is the id where that means
    the same to every file system and store, else its digest; two callers never share one.
    """
    return caller if _is_plain(caller) else f"sha256-{hashlib.sha256(caller.encode()).hexdigest()}"


def is_name(name: str) -> bool:
    """Return whether a folder is one of a caller."""
    return bool(DIGEST.fullmatch(name)) or _is_plain(name)


def _is_plain(caller: str) -> bool:
    """Return whether a caller's id can be the name of its folder; one that looks like a digest cannot."""
    return bool(PLAIN.fullmatch(caller)) and not DEVICES.fullmatch(caller) and not DIGEST.fullmatch(caller)


def _folders_in_bucket(bucket: Bucket, client: Any) -> list[str]:
    """Return the names of the customers' folders."""
    found, prefix = list[str](), f"{bucket.prefix}customers/"
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix=prefix, Delimiter="/")
    for page in pages:
        found += [str(each["Prefix"])[len(prefix) : -1] for each in page.get("CommonPrefixes", ())]
    return found


def _folders(path: Path) -> list[str]:
    """Return the names of the subfolders; none when the folder does not exist."""
    try:
        return sorted(entry.name for entry in path.iterdir() if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        message = f"The folder {path} could not be read ({error.strerror or type(error).__name__})."
        hint = "Check its permissions, or set ATELIER_STATE_DIR to another folder."
        raise ImageError(Reason.STORAGE_FAILED, message, hint=hint, facts={"trouble": "disk"}) from None
