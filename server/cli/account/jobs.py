"""`atelier jobs`: list jobs, or show one with its vendor calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.pipeline.job_store import CallRow, JobRow
from atelier.providers.pipeline.states import JobState
from atelier.providers.pricing.price_parts import usd
from atelier.server.cli.signatures import defaults
from atelier.server.cli.terminal.output import Column, UsageError, pairs, say, say_json
from atelier.server.cli.terminal.output import table as aligned
from atelier.server.composition import job_store_of
from atelier.server.settings import Settings

MAX_PROMPT_CHARACTERS = 40  # of a prompt in the list

COLUMNS = (
    Column("job"),
    Column("begun (UTC)", spare=True),
    Column("state"),
    Column("images", right=True),
    Column("cost", right=True),
    Column("delivered", spare=True),
    Column("model", spare=True),
    Column("prompt", flexible=True),
)

NO_JOBS = "No jobs yet; free drafts are not recorded."

Job = tuple[JobRow, list[CallRow]]


def jobs(id: str | None, *, state: str | None, limit: int, json: bool) -> int:
    """List the newest jobs and their outcome, or print everything that is known of one."""
    if id:
        row, calls = anyio.run(find_job, id)
        if json:
            say_json(facts(row, calls))
        else:
            say(page(row, calls))
        return 0
    found = anyio.run(newest_jobs, limit, JobState(state) if state else None)
    if json:
        say_json([facts(row, calls) for row, calls in found])
    else:
        say(table(found) if found else NO_JOBS if state is None else f"No job is {state}.")
    return 0


async def newest_jobs(limit: int, state: JobState | None) -> list[Job]:
    """Return the newest jobs with their vendor calls. Raises UsageError, and storage_failed."""
    if limit < 1:
        raise UsageError(f"--limit should be at least 1. Leave it out for {defaults.JOBS}.")
    job_store = job_store_of(Settings.load())
    try:
        return [(row, await job_store.list_calls(row.id)) for row in await job_store.list_jobs(limit, state)]
    finally:
        await job_store.aclose()


async def find_job(id: str) -> Job:
    """Return one job with its vendor calls. Raises not_found or storage_failed."""
    job_store = job_store_of(Settings.load())
    try:
        row = await job_store.get_job(id)
        if row is None:
            message = f"There is no job {sanitize(id, 60)}."
            raise ImageError(Reason.NOT_FOUND, message, hint="`atelier jobs` lists the newest.")
        return row, await job_store.list_calls(row.id)
    finally:
        await job_store.aclose()


def table(jobs_found: Sequence[Job]) -> str:
    """Return the list as a table, newest first."""
    lines = list[tuple[str, ...]]()
    for row, calls in jobs_found:
        request = row.request
        images = f"{len(stored(row, calls))}/{request.get('count', 1)}"
        prompt = sanitize(request.get("prompt", ""), MAX_PROMPT_CHARACTERS)
        delivered, price = "yes" if row.delivered else "no", cost(row, calls)
        lines.append(
            (row.id, f"{row.created_at:%Y-%m-%d %H:%M}", row.state, images, price, delivered, _model(row), prompt)
        )
    return aligned(COLUMNS, lines)


def page(row: JobRow, calls: Sequence[CallRow]) -> str:
    """Return everything that is known of a job. `atelier show` prints more about its images."""
    outcome = row.outcome
    hidden = ("prompt", "asked", "home")  # printed below, or useless to a person
    request = {
        name: value for name, value in row.request.items() if value not in ("", None, {}, []) and name not in hidden
    }
    lines = [
        ("job", row.id),
        ("state", f"{row.state}{', delivered' if row.delivered else ''}"),
        ("begun", f"{row.created_at:%Y-%m-%d %H:%M:%S} UTC, for {row.caller}"),
        *((name, sanitize(value, 400)) for name, value in request.items()),
        ("prompt", sanitize(row.request.get("prompt", ""), 32_000)),
        ("cost", cost(row, calls)),
        *(("call", _call(call)) for call in calls),
        *(("image", id) for id in stored(row, calls)),
        *(("note", str(warning)) for warning in outcome.get("warnings", ())),
        *([("reason", reason)] if (reason := _reason(row)) else []),
    ]
    return pairs(lines)


def facts(row: JobRow, calls: Sequence[CallRow]) -> dict[str, Any]:
    """Return a job as JSON data. `cost_usd` counts against the caps; `cost_known` says whether it is the bill."""
    return {
        "id": row.id,
        "state": row.state,
        "delivered": row.delivered,
        "created": f"{row.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "caller": row.caller,
        "request": dict(row.request),
        "cost_usd": float(row.reserved_usd),
        "cost_known": is_known(row, calls),
        "calls": [asdict(call) for call in calls],
        "pictures": stored(row, calls),
        "outcome": dict(row.outcome),
    }


def stored(row: JobRow, calls: Sequence[CallRow]) -> list[str]:
    """Return the ids of the stored pictures, including those that the outcome does not list yet."""
    outcome = [str(each["id"]) for each in row.outcome.get("images", ())]
    return list(dict.fromkeys([*outcome, *(id for call in calls for id in call.images)]))


def cost(row: JobRow, calls: Sequence[CallRow]) -> str:
    """Return the cost, or the most that may have been billed."""
    if is_known(row, calls):
        return usd(row.reserved_usd)
    return f"up to {usd(row.reserved_usd)}" if row.reserved_usd else "not known"


def is_known(row: JobRow, calls: Sequence[CallRow]) -> bool:
    """Return whether every vendor call is settled or released."""
    ended = all(call.state in ("settled", "released") for call in calls)
    return ended and (row.state != "done" or row.outcome.get("actual_usd") is not None)


def _model(row: JobRow) -> str:
    """Return the model that made the pictures, else the requested one."""
    outcome = row.outcome
    return f"{outcome['provider']}/{outcome['model']}" if "model" in outcome else str(row.request.get("model", ""))


def _call(call: CallRow) -> str:
    task = sanitize((call.task or {}).get("id") or (call.task or {}).get("generation") or "", 60)
    return f"{call.id}  {call.state}, {len(call.images)} of {call.pictures}{f', task {task}' if task else ''}"


def _reason(row: JobRow) -> str:
    """Return the error that the caller got, if any."""
    outcome = row.outcome
    words = (outcome.get("reason"), outcome.get("message"), outcome.get("hint"))
    return sanitize(f"{words[0]}: {words[1]} {words[2] or ''}", 1000) if words[1] else ""
