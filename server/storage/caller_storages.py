"""Whose pictures are kept where, and where they wait.

                 in a folder                  in a bucket            waiting, in the state folder
    over stdio   {output}/                    customers/{customer}/  spool/{customer}/
    over HTTP    {output}/customers/{name}/   customers/{name}/      spool/_callers/{name}/

A caller's name is that of `callers`. All of them share one connection to the bucket.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.asset_storage import Storage
from atelier.server.http.callers import is_name, name_of
from atelier.server.settings import CUSTOMER, Settings
from atelier.server.storage.local import LocalStorage
from atelier.server.storage.remote_storage import Remote
from atelier.server.storage.s3 import S3Storage
from atelier.server.storage.s3_client import Connection
from atelier.server.storage.upload_queue import UploadQueue

CALLERS = "_callers"  # no customer's id begins so
REMEMBERED = 1000  # callers whose spools are kept, since a spool remembers that its store was silent


class CallerStorages:
    """The storages that the settings describe. Raises invalid_request when they describe none; no I/O."""

    def __init__(self, settings: Settings) -> None:
        self._pictures = settings.pictures
        self._waiting = settings.state / "spool"
        self._customer = settings.customer_id
        self._connection = Connection(settings.bucket, settings.lookup) if settings.storage == "s3" else None
        self.of_caller = lru_cache(REMEMBERED)(self._of_caller)

    def of_customer(self, customer: str | None = None) -> UploadQueue:
        """The pictures of whoever uses this machine; of the customer of the settings unless another is named."""
        name = customer or self._customer
        return self._spool(name, self._pictures, self._waiting / name)

    def _of_caller(self, caller: str) -> Storage:
        """The pictures of somebody elsewhere, who is not told of this machine's folders."""
        return Remote(self._of_name(name_of(caller)))

    def all(self) -> list[UploadQueue]:
        """The spools of everyone who has a folder for waiting pictures. Raises storage_failed when none can be seen."""
        customers = [name for name in _folders(self._waiting) if CUSTOMER.fullmatch(name)]
        callers = [name for name in _folders(self._waiting / CALLERS) if is_name(name)]
        return [*(self.of_customer(name) for name in customers), *(self._of_name(name) for name in callers)]

    def _of_name(self, name: str) -> UploadQueue:
        return self._spool(name, self._pictures / "customers" / name, self._waiting / CALLERS / name)

    def _spool(self, name: str, folder: Path, waiting: Path) -> UploadQueue:
        before = LocalStorage(waiting, "ATELIER_STATE_DIR")
        if self._connection:
            return UploadQueue(S3Storage(self._connection, name), before, ahead=True)
        return UploadQueue(LocalStorage(folder), before, ahead=False)


def _folders(path: Path) -> list[str]:
    """The names of the folders in a folder, which need not exist."""
    try:
        return sorted(entry.name for entry in path.iterdir() if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        message = f"The folder {path} could not be read ({error.strerror or type(error).__name__})."
        hint = "Check its permissions, or set ATELIER_STATE_DIR to another folder."
        raise ImageError(Reason.STORAGE_FAILED, message, hint=hint, facts={"trouble": "disk"}) from None
