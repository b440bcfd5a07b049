"""`atelier generate --batch`: make the images of a file of prompts, for one budget; a repeat goes on where it ended.

Each line has an idempotency key of its own, made from its arguments: a line that was made within a day is returned, and
not paid for again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

import anyio

from atelier.providers.core.environment import read_text
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.providers.jobs.stored_job import key_hash
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.job_store import CallIdentity, JobRow, JobStore
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pipeline.prepare import check_total
from atelier.providers.pipeline.states import JobState
from atelier.providers.pricing.price_parts import usd
from atelier.server.cli.making.result_lines import facts_of
from atelier.server.cli.terminal.messages import for_person, usage_errors, with_commands
from atelier.server.cli.terminal.output import UsageError, say
from atelier.server.cli.terminal.progress import BatchTable, asker
from atelier.server.cli.terminal.shared_options import STDIN
from atelier.server.composition import pipeline_of, storage_of, styles_of
from atelier.server.settings import Settings
from atelier.server.storage.output_files import OutputFolders
from atelier.tools import generate_image
from atelier.tools.image_call import fallback_of
from atelier.tools.parameters.arguments import parameters_of
from atelier.tools.parameters.tool_parameters import GenerateImage

AT_ONCE = 8  # lines that are worked on at once; each vendor's own limit is below it
FATAL = (Reason.AUTHENTICATION, Reason.QUOTA_EXCEEDED)
"""Errors that every other line would meet as well."""
UNKNOWN_HINT = (
    "It may have been billed: compare `atelier jobs {job}` with the vendor's bill. The batch does not send this line "
    "again within a day; to pay for a new image now, change a word of the line, or use `atelier generate`."
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file: its number, its parameters and its idempotency key."""

    number: int
    params: GenerateImage
    key: str


@dataclass(slots=True)
class Totals:
    """How the lines ended."""

    made: int = 0
    failed: int = 0
    unknown: int = 0  # of the failed ones, those that a repeat does not send again
    stopped: bool = False


def read_lines(file: str, common: Mapping[str, Any], name: str) -> list[Line]:
    """Return the lines of a file: prompts, or JSON objects with the tool's parameters where it ends in .jsonl.

    `common` are the arguments of every line that does not have its own, and `name` distinguishes this run from others.
    Raises UsageError for a line that cannot be read, before any image is made.
    """
    text = sys.stdin.read() if file == STDIN else read_text(file, f"The file {file}")
    is_json, found, seen = file.endswith(".jsonl"), list[Line](), Counter[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or (not is_json and line.lstrip().startswith("#")):
            continue
        given = {**common, **(_json_arguments(line, number) if is_json else {"prompt": line.strip()})}
        try:
            params = parameters_of(generate_image.TOOL, given)
        except ImageError as error:
            reword = with_commands if is_json else for_person
            raise UsageError(reword(f"Line {number}: {error.message}")) from None
        own = {key: value for key, value in given.items() if key != "confirm_cost"}  # it may be added to a repeat
        body = json.dumps([name, own], sort_keys=True, ensure_ascii=False)
        seen[body] += 1  # the same line twice is two images
        digest = hashlib.sha256(f"{body} {seen[body]}".encode()).hexdigest()
        found.append(Line(number, params, f"batch-{digest}"))
    if not found:
        raise UsageError("The file has no prompts.")
    return found


async def make_batch(
    lines: Sequence[Line], settings: Settings, folder: str | None, budget: Decimal | None, *, as_json: bool
) -> int:
    """Make the images of every line and print them as they come. Returns the exit code: 1 when a line failed."""
    pipeline = pipeline_of(settings, storage_of(settings))
    output, totals = OutputFolders(overwrite_hint="use another folder"), Totals()
    if folder:
        await output.check(folder, overwrite=True)
    async with ImageService(pipeline, wait=None, fallback=settings.fallback) as service:
        styles = styles_of(settings)
        requests = list[tuple[Line, ImageRequest, PricedRequest]]()
        for line in lines:
            style = await styles().find(line.params.style)
            request = await generate_image.request_of(line.params, style, styles, pipeline)
            requests.append((line, request, _admitted(pipeline, line, request)))
        chosen = (pipeline.catalog.resolve(each.model, each.operation, each.origin) for _, each, _ in requests)
        for notice in dict.fromkeys(choice.notice for choice in chosen if choice.notice):
            say(for_person(notice), sys.stderr)
        caller = settings.customer_id
        await service.recover()  # an interrupted run may have left lines that were never sent: they are priced again
        earlier = {line.number: await find_earlier(pipeline.store, caller, line) for line in lines}
        pending = [priced for line, _, priced in requests if earlier[line.number] is None]
        made_before = sum(row is not None and row.state is JobState.COMPLETED for row in earlier.values())
        sure = all(line.params.confirm_cost for line in lines)
        await check_price(service, settings, pending, budget, sure)
        if made_before:
            say(f"{made_before} of {len(lines)} were made before and are not paid for again.", sys.stderr)
        limiter = anyio.CapacityLimiter(AT_ONCE)
        with BatchTable(len(lines), as_json=as_json) as table:

            async def make(line: Line, request: ImageRequest) -> None:
                async with limiter:
                    if totals.stopped:
                        return
                    try:
                        result = await service.submit(
                            request,
                            caller=caller,
                            fallback=fallback_of(line.params),
                            key=line.key,
                            body=line.key,
                            confirm=_confirmed,
                        )
                        assert isinstance(result, ImageResult), "no wait limit is set"
                        files = await output.write(folder, result.images, overwrite=True) if folder else []
                    except ImageError as error:
                        totals.failed += 1
                        row = await find_earlier(pipeline.store, caller, line)
                        if row and row.state is JobState.OUTCOME_UNKNOWN:
                            totals.unknown += 1
                            error.hint = UNKNOWN_HINT.format(job=row.id)
                        totals.stopped |= error.reason in FATAL
                        table.failed(line.number, line.params.prompt, error)
                        return
                    totals.made += 1
                    table.made(line.number, line.params.prompt, result, files, facts_of(result))
                    service.mark_delivered(result.id)

            async with anyio.create_task_group() as tasks:
                for line, request, _ in requests:
                    tasks.start_soon(make, line, request)
    left = len(lines) - totals.made - totals.failed
    rest = f", {left} not tried" if left else ""
    unknown = f" {totals.unknown} may have been billed; see above." if totals.unknown else ""
    again = " The same command goes on." if totals.failed > totals.unknown or left else ""
    say(f"{totals.made} of {len(lines)} lines made, {totals.failed} failed{rest}.{unknown}{again}", sys.stderr)
    return 1 if totals.failed or left else 0


async def check_price(
    service: ImageService,
    settings: Settings,
    pending: Sequence[PricedRequest],
    budget: Decimal | None,
    sure: bool,
) -> None:
    """Check --budget and the budgets of the settings against the sum of all lines, and ask once. Raises ImageError."""
    if not pending:
        return
    pipeline, prices = service.pipeline, [priced.estimate for priced in pending]
    total = sum((price.high_usd for price in prices if price), Decimal(0))
    if budget is not None and (total > budget or None in prices):
        what = "has no known price" if None in prices else f"may cost {usd(total)}, which is more than {usd(budget)}"
        message = f"The batch {what}; nothing was sent."
        raise ImageError(Reason.BUDGET_EXCEEDED, message, hint="Raise --budget, or choose a cheaper model.")
    whole = replace(pipeline.budget, caps=replace(pipeline.budget.caps, per_call=None))
    confirm = _confirmed if sure else asker()
    await check_total(whole, pipeline.store, pending, settings.customer_id, confirm, "prompts")


def _admitted(pipeline: Pipeline, line: Line, request: ImageRequest) -> PricedRequest:
    """Return the request with its price. An error says which line it is."""
    with usage_errors():
        try:
            return pipeline.admit(request)
        except ImageError as error:
            error.message = f"Line {line.number}: {error.message}"
            raise


async def find_earlier(store: JobStore, caller: str, line: Line) -> JobRow | None:
    """Return the job that stands for a line from an earlier run: none that failed and cost nothing does."""
    return await store.find_duplicate(CallIdentity(caller=caller, fingerprint="", key=key_hash(line.key)))


async def _confirmed(question: str) -> bool:
    """Return True: the sum was confirmed."""
    return True


def _json_arguments(line: str, number: int) -> dict[str, Any]:
    try:
        found: Any = json.loads(line)
    except ValueError:
        raise UsageError(f"Line {number} is no JSON.") from None
    if isinstance(found, str):
        return {"prompt": found}
    if not isinstance(found, dict):
        raise UsageError(f"Line {number} is no JSON object with a prompt.")
    return cast("dict[str, Any]", found)
