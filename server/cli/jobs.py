"""`atelier jobs`: what was asked for and what came of it, by the journal."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, get_args

import anyio

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.pipeline.job_store import CallRow, JobRow, State
from atelier.providers.pipeline.quotes import usd
from atelier.server.cli.output import say
from atelier.server.cli.output import table as aligned
from atelier.server.composition import journal_of
from atelier.server.settings import Settings

NEWEST = 20  # jobs that are listed unless told otherwise
SHORT = 40  # characters of a prompt in the list

HEADS = ("job", "begun (UTC)", "state", "delivered", "model", "pictures", "cost", "prompt")
LEFT = (0, 1, 2, 3, 4, 7)
"""The columns of the list, and which of them are words."""

Job = tuple[JobRow, list[CallRow]]


def jobs(options: argparse.Namespace) -> int:
    """Tell what was asked for and what came of it: of the newest jobs, or all that is known of one."""
    if options.id:
        row, calls = anyio.run(found, options.id)
        say(json.dumps(facts(row, calls), ensure_ascii=False) if options.json else page(row, calls))
        return 0
    listed = anyio.run(newest, options.limit, options.state)
    if options.json:
        say(json.dumps([facts(row, calls) for row, calls in listed], ensure_ascii=False))
    else:
        say(table(listed))
    return 0


async def newest(limit: int, state: State | None) -> list[Job]:
    """The newest jobs with their vendor calls. Raises invalid_request or storage_failed."""
    if limit < 1:
        raise ImageError(Reason.INVALID_REQUEST, "--limit should be at least 1.", hint=f"Leave it out for {NEWEST}.")
    journal = journal_of(Settings.load())
    try:
        return [(row, await journal.list_calls(row.id)) for row in await journal.list_jobs(limit, state)]
    finally:
        await journal.aclose()


async def found(id: str) -> Job:
    """One job with its vendor calls. Raises not_found or storage_failed."""
    journal = journal_of(Settings.load())
    try:
        row = await journal.get_job(id)
        if row is None:
            message = f"There is no job {sanitize(id, 60)}."
            raise ImageError(Reason.NOT_FOUND, message, hint="`atelier jobs` lists the newest.")
        return row, await journal.list_calls(row.id)
    finally:
        await journal.aclose()


def table(listed: Sequence[Job]) -> str:
    """One line a job, the newest first."""
    if not listed:
        return "There are no such jobs."
    lines: list[tuple[str, ...]] = [HEADS]
    for row, calls in listed:
        asked = row.request
        pictures = f"{len(stored(row, calls))}/{asked.get('count', 1)}"
        prompt = sanitize(asked.get("prompt", ""), SHORT)
        delivered, price = "yes" if row.delivered else "no", cost(row, calls)
        lines.append((row.id, row.created[:16], row.state, delivered, _model(row), pictures, price, prompt))
    return aligned(lines, LEFT)


def page(row: JobRow, calls: Sequence[CallRow]) -> str:
    """All that is known of a job, line by line. `atelier show` tells more of its pictures."""
    told = row.outcome
    hidden = ("prompt", "asked", "home")  # told below, and of no use to a person
    asked = {
        name: value for name, value in row.request.items() if value not in ("", None, {}, []) and name not in hidden
    }
    lines = [
        ("job", row.id),
        ("state", f"{row.state}{', delivered' if row.delivered else ''}"),
        ("begun", f"{row.created[:19]} UTC, for {row.caller}"),
        *((name, sanitize(value, 400)) for name, value in asked.items()),
        ("prompt", sanitize(row.request.get("prompt", ""), 32_000)),
        ("cost", cost(row, calls)),
        *(("call", _call(call)) for call in calls),
        *(("picture", id) for id in stored(row, calls)),
        *(("note", str(warning)) for warning in told.get("warnings", ())),
        *([("reason", reason)] if (reason := _reason(row)) else []),
    ]
    return aligned(lines, (0, 1))


def facts(row: JobRow, calls: Sequence[CallRow]) -> dict[str, Any]:
    """The same for programs. `cost_usd` is what is held against the caps; `cost_known` whether it is the bill."""
    return {
        "id": row.id,
        "state": row.state,
        "delivered": row.delivered,
        "created": f"{row.created[:19].replace(' ', 'T')}Z",
        "caller": row.caller,
        "request": dict(row.request),
        "cost_usd": float(row.reserved_usd),
        "cost_known": is_known(row, calls),
        "calls": [asdict(call) for call in calls],
        "pictures": stored(row, calls),
        "outcome": dict(row.outcome),
    }


def stored(row: JobRow, calls: Sequence[CallRow]) -> list[str]:
    """The ids of its pictures that are kept, those that its outcome does not tell of yet included."""
    told = [str(each["id"]) for each in row.outcome.get("images", ())]
    return list(dict.fromkeys([*told, *(id for call in calls for id in call.images)]))


def cost(row: JobRow, calls: Sequence[CallRow]) -> str:
    """What it cost, or what may have been billed at most."""
    if is_known(row, calls):
        return usd(row.reserved_usd)
    return f"up to {usd(row.reserved_usd)}" if row.reserved_usd else "not known"


def is_known(row: JobRow, calls: Sequence[CallRow]) -> bool:
    """Whether every vendor call has its bill, or was not billed."""
    ended = all(call.state in ("settled", "released") for call in calls)
    return ended and (row.state != "done" or row.outcome.get("actual_usd") is not None)


def _model(row: JobRow) -> str:
    """Who made the pictures, or was to."""
    told = row.outcome
    return f"{told['provider']}/{told['model']}" if "model" in told else str(row.request.get("model", ""))


def _call(call: CallRow) -> str:
    task = sanitize((call.task or {}).get("id") or (call.task or {}).get("generation") or "", 60)
    return f"{call.id}  {call.state}, {len(call.images)} of {call.pictures}{f', task {task}' if task else ''}"


def _reason(row: JobRow) -> str:
    """Why there are no pictures, in the words that the caller was told."""
    told = row.outcome
    words = (told.get("reason"), told.get("message"), told.get("hint"))
    return sanitize(f"{words[0]}: {words[1]} {words[2] or ''}", 1000) if words[1] else ""


def declare(commands: Any) -> None:
    """`atelier jobs [ID]`"""
    parser = commands.add_parser("jobs", help="tell what became of what was asked for", description=jobs.__doc__)
    parser.add_argument("id", nargs="?", metavar="ID", help="a job, to be told all of")
    parser.add_argument("--state", choices=get_args(State), help="only jobs in this state")
    parser.add_argument("--limit", type=int, default=NEWEST, help=f"how many; {NEWEST} unless told")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.set_defaults(run=jobs)
