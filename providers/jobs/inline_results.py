"""Images of `save=false`: stored as temporary assets, returned inline, deleted once delivered or after an hour."""

from __future__ import annotations

from collections.abc import Iterable

from atelier.providers.core.results import ImageResult
from atelier.providers.pipeline.job_store import JobRow
from atelier.providers.pipeline.pipeline import Pipeline


class InlineResults:
    """The inline results that this process has returned and that are not delivered yet."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._returned: dict[str, tuple[str, list[str]]] = {}

    def add(self, result: ImageResult, caller: str) -> None:
        """Remember the images of a result, if it is inline, until it is delivered."""
        if result.inline:
            self._returned[result.id] = (caller, [image.stored.id for image in result.images if image.stored])

    async def delete(self, job: str) -> None:
        """Delete the images of a job that was delivered, if they were returned inline. Raises storage_failed."""
        caller, images = self._returned.pop(job, ("", list[str]()))
        await self._delete_images(caller, images)

    async def delete_expired(self) -> None:
        """Delete the images of inline results of this process's storages that are older than an hour."""
        for row in await self._pipeline.store.list_expired_inline(self._is_ours):
            await self._delete_images(row.caller, _ids(row))
            await self._pipeline.store.forget_inline(row.id)

    async def _delete_images(self, caller: str, images: Iterable[str]) -> None:
        for image in images:
            if storage := self._pipeline.for_caller(caller).storage:
                await storage.delete(image)

    def _is_ours(self, caller: str, home: str) -> bool:
        return home == self._pipeline.for_caller(caller).home


def _ids(row: JobRow) -> list[str]:
    images = row.outcome.get("images", [])
    return [str(image["id"]) for image in images]
