"""Recover a job whose process died. Nothing is ever sent again.

Killed at this point     the next sweep does this
reserved                 releases the reservation: nothing was sent
sent                     keeps the reservation, and warns the next equal call: the outcome is unknown
vendor task known        collects the images from the vendor, whatever was billed
asset stored             adds the images that the storage has of the call, and settles its bill from their records
settled                  completes the job with the images that are stored
finished                 nothing: the same call collects the result
delivered                nothing: the same call is a new request
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.asset_storage import Storage
from atelier.providers.jobs.stored_job import decode_request, encode_error, final_state
from atelier.providers.pipeline.admit import PricedRequest, restore_priced_request, vendor_api_key
from atelier.providers.pipeline.job_store import CallRow, JobRow
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pipeline.prepare import PreparedJob, vendor_call_for
from atelier.providers.pipeline.states import CallState
from atelier.providers.pipeline.vendor_call import VendorCall

log = logging.getLogger("atelier")

PAGE_SIZE, MAX_PAGES = 200, 50  # records that are read at most to find the images of a job that died

UNKNOWN_OUTCOME_ERROR = ImageError(
    Reason.INTERNAL,
    "Atelier was stopped while the vendor worked; the outcome is unknown.",
    hint="The vendor may have billed it. Ask again for a new image.",
    facts={"outcome": "unknown"},
)
NEVER_SENT = ImageError(Reason.INTERNAL, "Atelier was stopped before anything was sent.", hint="Ask again.")
BILLED_WITHOUT_IMAGES = ImageError(
    Reason.INTERNAL,
    "The vendor billed this job, but no image of it was stored: Atelier was stopped.",
    hint="Ask again.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredJob:
    """A job to collect: its vendor calls, the records of the images that are stored, and notes on what is lost."""

    prepared: PreparedJob
    found: Sequence[Mapping[str, Any]]
    notes: Sequence[str]


def stores_here(pipeline: Pipeline, home: str) -> bool:
    """Whether the pipeline stores its images there. A damaged row has no location, so any process may claim it."""
    return home in ("", pipeline.home)


async def recover_job(pipeline: Pipeline, row: JobRow) -> RecoveredJob | None:
    """Settle what is known of an orphaned job. Returns the job to collect, or None if it has ended.

    Raises storage_failed when its images cannot be looked up; then nothing is changed.
    """
    store, calls = pipeline.store, await pipeline.store.list_calls(row.id)
    at_home = stores_here(pipeline, row.home)
    priced, key = _restore_request(pipeline, row, calls) if at_home else (None, None)
    stored = await _stored(pipeline, row, calls) if at_home else {}
    open_calls, unknown, found = list[CallRow](), False, list[Mapping[str, Any]]()
    for call in calls:
        pictures = stored.get(call.id, [])
        found += pictures
        if call.state == CallState.RESERVED:
            await store.release_call(call.id)
        elif call.state == CallState.RELEASED:
            continue
        elif call.task and len(pictures) < call.pictures and priced and priced.choice.provider.collect:
            open_calls.append(call)
        elif call.state == CallState.SENT and pictures:
            for each in pictures:
                await store.add_asset(row.id, call.id, each["id"])
            cost = pictures[0].get("call_usd")  # of the whole call: some of its images may be lost
            await store.settle_call(call.id, None if cost is None else Decimal(str(cost)))
        elif call.state in (CallState.SENT, CallState.UNKNOWN):
            unknown = True
            await store.mark_call_unknown(call.id)
    if open_calls and priced:
        prepared = _prepared(pipeline, row, priced, open_calls, stored, key)
        failed = row.count - len(found) - prepared.priced.job.request.count
        notes = [f"{failed} of {row.count} images failed earlier."] if failed > 0 else []
        return RecoveredJob(prepared=prepared, found=found, notes=notes)
    billed = any(call.state == CallState.SETTLED for call in calls)
    state = final_state(has_images=bool(found), outcome_known=not unknown, billed=billed, cancelled=True)
    if found:
        outcome = found_outcome(found, row.count)
    elif unknown:
        late = {"collectable": True} if at_home and priced is None and any(call.task for call in calls) else {}
        outcome = {**encode_error(UNKNOWN_OUTCOME_ERROR), **late}  # another process may know the vendor's key
    else:
        outcome = encode_error(BILLED_WITHOUT_IMAGES if billed else NEVER_SENT)
    await store.finish_job(row.id, state, outcome)
    log.info("job recovered", extra={"facts": {"job": row.id, "pictures": len(found), "unknown": unknown}})
    return None


def _restore_request(
    pipeline: Pipeline, row: JobRow, calls: Sequence[CallRow]
) -> tuple[PricedRequest | None, str | None]:
    """Return the job as it was sent, with the model of its last fallback, and the vendor's key; None where unknown.

    This process may lack the model or the key, and another version may have written the row.
    """
    models = [call.model for call in calls if call.state != CallState.RELEASED]
    try:
        request = replace(decode_request(row.request), model=models[-1])
        priced = restore_priced_request(pipeline.catalog, request, row.id)
        return priced, vendor_api_key(pipeline.catalog, priced)
    except (ImageError, TypeError, ValueError, LookupError):
        return None, None


def _prepared(
    pipeline: Pipeline,
    row: JobRow,
    priced: PricedRequest,
    calls: Sequence[CallRow],
    stored: Mapping[str, Sequence[Mapping[str, Any]]],
    key: str | None,
) -> PreparedJob:
    """Return the job that collects the missing images of these calls."""
    vendor_calls, due = list[VendorCall](), 0
    for call in calls:
        has = [str(each.get("original_sha256")) for each in stored.get(call.id, ())]
        due += call.pictures - len(has)
        job = replace(priced.job, request=replace(priced.job.request, count=call.pictures), task=call.task)
        vendor_call = vendor_call_for(pipeline.catalog, pipeline.store, priced, call.id, job, pipeline.budget.caps)
        vendor_call.resume(has)
        vendor_calls.append(vendor_call)
    left = replace(priced, job=replace(priced.job, request=replace(priced.job.request, count=due)))
    return PreparedJob(priced=left, vendor_calls=vendor_calls, requests=[None] * len(calls), key=key, caller=row.caller)


async def _stored(pipeline: Pipeline, row: JobRow, calls: Sequence[CallRow]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the records of the job's stored images by call, with those that the job store missed."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    if pipeline.storage is None:
        return found
    heads = [await pipeline.storage.head(image) for call in calls for image in call.images]
    newest = (
        await _records_since(pipeline.storage, row.id) if any(call.state == CallState.SENT for call in calls) else []
    )
    for id, record in {str(each["id"]): each for each in (*heads, *newest) if each}.items():
        if (
            record.get("job") == row.id and record.get("operation") != "deliver"
        ):  # a resized copy is not an image of a call
            found.setdefault(str(record.get("call")), []).append({**record, "id": id})
    return found


async def _records_since(storage: Storage, job: str) -> list[Mapping[str, Any]]:
    """Return the records of the images that were stored since the job began, and at least one page."""
    found, began = list[Mapping[str, Any]](), job.partition("_")[2]
    for _ in range(MAX_PAGES):
        page = await storage.newest(PAGE_SIZE, str(found[-1]["id"]) if found else None)
        found += page
        if len(page) < PAGE_SIZE or str(page[-1]["id"]).partition("_")[2] < began:
            break
    return found


def found_outcome(found: Sequence[Mapping[str, Any]], wanted: int, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the outcome of a job of `wanted` images by the records of those that were found."""
    lost = f" {wanted - len(found)} of {wanted} images are missing." if len(found) < wanted else ""
    known = _cost(found)
    return {
        "images": _images(found),
        "provider": found[0]["provider"],
        "model": found[0]["model"],
        "actual_usd": None if known is None else str(known),
        "warnings": [f"This was interrupted while it was made; it was found again in the storage.{lost}", *notes],
        "details": {},
    }


def merged_outcome(
    found: Sequence[Mapping[str, Any]], rest: Mapping[str, Any], again: Collection[str]
) -> dict[str, Any]:
    """Return the outcome of a job whose images were partly found and partly collected, by the calls `again`."""
    before, after = _cost([each for each in found if each["call"] not in again]), rest["actual_usd"]
    known = None if before is None or after is None else str(before + Decimal(after))
    return {**rest, "images": [*_images(found), *rest["images"]], "actual_usd": known}


def _cost(found: Sequence[Mapping[str, Any]]) -> Decimal | None:
    """Return the USD of the calls that made the images, lost ones included."""
    costs = {each["call"]: each.get("call_usd") for each in found}.values()
    return None if None in costs else sum((Decimal(str(cost)) for cost in costs), Decimal(0))


def _images(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    ordered = sorted(found, key=lambda each: str(each["id"]))
    return [{"id": each["id"], "prompt_used": each.get("prompt_used"), "seed": each.get("seed")} for each in ordered]
