"""Pictures in a bucket of any S3-compatible store, under `{prefix}customers/{customer}/assets/image/`:

    {uuid}.{ext}            the picture
    {uuid}.json             its record
    {uuid}.preview.jpg      its preview, once rendered

The uuid is the asset id in another alphabet, of version 7, so that keys sort by time. No object is overwritten: a put
is conditional (If-None-Match) and succeeds when it finds its own picture. In a store without conditional puts, each put
is preceded by a HEAD request.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

import anyio

from atelier.providers.core.concurrency import run_concurrently
from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import AssetHandle
from atelier.providers.core.tracing import id_of, is_id, time_of, uuid_of
from atelier.providers.core.types import Picture
from atelier.providers.images.asset_storage import Asset
from atelier.server.storage import asset_files
from atelier.server.storage.s3_client import Connection, may_refuse_condition

PREVIEW_TIMEOUT = 10  # seconds
DAY = 86_400
LOOK_BACK_SECONDS = (3_600, DAY, 30 * DAY, 365 * DAY)
"""Periods to search for the newest, in this order: a bucket lists its oldest keys first."""
MAX_PUT_ATTEMPTS = 4  # of a conditional put that conflicts with another put
UUIDS = r"([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})"
NAME, RECORD = re.compile(UUIDS + r"\.(?:png|jpg|webp|gif)"), re.compile(UUIDS + r"\.json")


class S3Storage:
    """The pictures of one customer in a bucket. Customers share a connection."""

    def __init__(self, connection: Connection, customer: str) -> None:
        self._connection, self._bucket = connection, connection.bucket
        self._folder = f"{self._bucket.prefix}customers/{customer}/assets/image/"

    @property
    def home(self) -> str:
        """Store, bucket and folder."""
        return f"{self._bucket.endpoint_url or 's3:'}/{self._bucket.name}/{self._folder}"

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        """See Storage. Writes the picture before its record."""
        return await self._connection.run(partial(self._put, id, picture, record))

    async def get(self, id: str) -> Asset | None:
        """Return the picture of that id."""
        return await self._connection.run(partial(self._get, id))

    async def head(self, id: str) -> Mapping[str, Any] | None:
        """See Storage."""
        return await self._connection.run(partial(self._head, id))

    async def newest(self, limit: int = 1, before: str | None = None) -> list[Mapping[str, Any]]:
        """See AssetReader."""
        ids = await self._connection.run(partial(self._ids, limit, before))
        found = await run_concurrently([partial(self.head, id) for id in ids])
        for outcome in found:
            if isinstance(outcome, ImageError):
                raise outcome
        return [record for record in found if record and not isinstance(record, ImageError)]

    async def delete(self, id: str) -> bool:
        """See Storage. Deletes the record last, so that an interrupted deletion can be repeated."""
        return await self._connection.run(partial(self._delete, id))

    async def link(self, id: str) -> str | None:
        """Return the public link where the bucket has one, else a link signed for `url_ttl` seconds."""
        return await self._connection.run(partial(self._link, id))

    async def where(self, id: str) -> AssetHandle | None:
        """See Storage; it has no path."""
        url = await self.link(id)
        return AssetHandle(id=id, url=url) if url else None

    def located(self, handle: AssetHandle) -> AssetHandle:
        """Return the handle: it names the location already."""
        return handle

    def id_in(self, url: str) -> str | None:
        """Return the id in a public or signed link of this bucket, valid or expired."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        folder, _, name = unquote(parts.path).rpartition("/")
        ours = f"{folder}/".endswith(f"/{self._folder}") and self._serves(parts.hostname or "", folder)
        return id_of("img", UUID(found[1])) if ours and (found := NAME.fullmatch(name)) else None

    async def put_preview(self, id: str, jpeg: bytes) -> str | None:
        """See Storage; it has no path."""
        key = f"{self._stem(id)}.preview.jpg"
        with contextlib.suppress(ImageError), anyio.move_on_after(PREVIEW_TIMEOUT):
            await self._connection.run(lambda client: self._write(client, key, jpeg, "image/jpeg"))

    async def get_preview(self, id: str) -> bytes | None:
        """See Storage."""
        with contextlib.suppress(ImageError):
            return await self._connection.run(lambda client: self._read(client, f"{self._stem(id)}.preview.jpg"))
        return None

    def _stem(self, id: str) -> str:
        """Return the common part of a picture's keys. Text that is not an id gives a key that does not exist."""
        return f"{self._folder}{uuid_of(id) if is_id(id) else 'none'}"

    def _put(self, id: str, picture: Picture, record: Mapping[str, Any], client: Any) -> AssetHandle:
        stem = self._stem(id)
        key = asset_files.file_name(stem, picture)
        stored_record = asset_files.with_file(record, key.removeprefix(self._folder), picture)
        ours = {"atelier-id": id, "sha256": stored_record["sha256"]}
        name = {"ContentDisposition": f'inline; filename="{asset_files.file_name(id, picture)}"', "Metadata": ours}
        new = self._create(client, key, picture.image_bytes, picture.mime, **name)
        if not new and self._digest(client, key) != stored_record["sha256"]:
            raise asset_files.id_taken(id)
        if not self._create(client, f"{stem}.json", asset_files.encode_record(stored_record), "application/json"):
            there = self._head(id, client) or {}
            if there.get("sha256") != stored_record["sha256"]:
                if new:
                    client.delete_object(Bucket=self._bucket.name, Key=key)
                raise asset_files.id_taken(id)
        return AssetHandle(id=id, url=self._address(client, key))

    def _create(self, client: Any, key: str, data: bytes, mime: str, **more: Any) -> bool:
        """Write a new object. Return False when the key is taken."""
        if not self._connection.conditional:
            return self._write_if_absent(client, key, data, mime, **more)
        for attempt in range(MAX_PUT_ATTEMPTS):
            try:
                self._write(client, key, data, mime, IfNoneMatch="*", **more)
            except client.exceptions.ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "PreconditionFailed":
                    return False
                if may_refuse_condition(error.response):
                    created = self._write_if_absent(client, key, data, mime, **more)
                    self._connection.conditional = not created  # the same put without the header worked
                    return created
                if code != "ConditionalRequestConflict" or attempt == MAX_PUT_ATTEMPTS - 1:
                    raise
                time.sleep(0.1 * 2**attempt)  # another put of that key is in progress
            else:
                break
        return True

    def _write_if_absent(self, client: Any, key: str, data: bytes, mime: str, **more: Any) -> bool:
        """Create an object in a store without conditional puts; only a repeated put finds its key taken."""
        try:
            client.head_object(Bucket=self._bucket.name, Key=key)
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NotFound"):
                raise
            self._write(client, key, data, mime, **more)
            return True
        return False

    def _write(self, client: Any, key: str, data: bytes, mime: str, **more: Any) -> None:
        """Write an object with its MD5, by which every store refuses data damaged in transit."""
        check = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        client.put_object(Bucket=self._bucket.name, Key=key, Body=data, ContentType=mime, ContentMD5=check, **more)

    def _digest(self, client: Any, key: str) -> str:
        """Return the SHA-256 of an object, from its metadata or computed. Some stores change the case of names."""
        metadata = client.head_object(Bucket=self._bucket.name, Key=key).get("Metadata", {})
        digest = {name.lower(): value for name, value in metadata.items()}.get("sha256")
        return digest or asset_files.digest(self._read(client, key) or b"")

    def _read(self, client: Any, key: str) -> bytes | None:
        try:
            return client.get_object(Bucket=self._bucket.name, Key=key)["Body"].read()
        except client.exceptions.NoSuchKey:
            return None

    def _head(self, id: str, client: Any) -> dict[str, Any] | None:
        return asset_files.parse_record(self._read(client, f"{self._stem(id)}.json") or b"")

    def _get(self, id: str, client: Any) -> Asset | None:
        record = self._head(id, client)
        data = self._read(client, self._folder + record["file"]) if record else None
        return Asset(id, data, record) if record and data is not None else None

    def _ids(self, limit: int, before: str | None, client: Any) -> list[str]:
        """Return the newest ids that have a record, newest first."""
        if before and not is_id(before):
            return []
        bound = uuid_of(before) if before else None
        now = time_of(bound) if bound else time.time()
        end = str(bound) if bound else _first(now + DAY)  # another machine's clock may be ahead
        found = list[str]()
        for window in (*LOOK_BACK_SECONDS, now):
            start = _first(now - window)
            found += reversed(list(self._names(client, start, end)))
            if len(found) >= limit:
                break
            end = start
        return [id_of("img", UUID(name)) for name in found[:limit]]

    def _names(self, client: Any, start: str, end: str) -> Iterator[str]:
        """Yield the uuids that have a record, from `start` to before `end`, oldest first."""
        after = {"StartAfter": self._folder + start}
        while True:
            page = client.list_objects_v2(Bucket=self._bucket.name, Prefix=self._folder, **after)
            for item in page.get("Contents", []):
                name = item["Key"].removeprefix(self._folder)
                if name >= end:
                    return
                if found := RECORD.fullmatch(name):
                    yield found[1]
            if not page.get("IsTruncated"):
                return
            after = {"ContinuationToken": page["NextContinuationToken"]}

    def _delete(self, id: str, client: Any) -> bool:
        if (record := self._head(id, client)) is None:
            return False
        for key in (self._folder + record["file"], f"{self._stem(id)}.preview.jpg", f"{self._stem(id)}.json"):
            client.delete_object(Bucket=self._bucket.name, Key=key)
        return True

    def _link(self, id: str, client: Any) -> str | None:
        record = self._head(id, client)
        return self._address(client, self._folder + record["file"]) if record else None

    def _address(self, client: Any, key: str) -> str:
        if self._bucket.public_base_url:
            return f"{self._bucket.public_base_url.rstrip('/')}/{quote(key)}"
        place = {"Bucket": self._bucket.name, "Key": key}
        return client.generate_presigned_url("get_object", Params=place, ExpiresIn=self._bucket.url_ttl)

    def _serves(self, host: str, path: str) -> bool:
        """Return whether an address belongs to this bucket: public, by host, or by path."""
        public = urlsplit(self._bucket.public_base_url or "").hostname
        store = urlsplit(self._bucket.endpoint_url or "https://amazonaws.com").hostname or ""
        by_host, by_path = host.startswith(f"{self._bucket.name}."), path.startswith(f"/{self._bucket.name}/")
        return host == public or ((by_host or by_path) and (host == store or host.endswith(f".{store}")))


def _first(seconds: float) -> str:
    """Return the lowest prefix of the version 7 uuids of that time."""
    digits = f"{max(0, round(seconds * 1000)):012x}"
    return f"{digits[:8]}-{digits[8:]}"
