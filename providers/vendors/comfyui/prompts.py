"""A graph that ComfyUI has: how it is waited for, how it ends, and its images.

Facts: what a real server (0.3.64) answered. The history of a graph is empty while it waits or runs, and where the
server does not know it, so the queue is looked into as well. The message of an error has the server's own paths.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from pydantic import JsonValue, RootModel

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.images.identify import picture
from atelier.providers.transport.vendor_json import Lenient, VendorModel, invalid_response, parse_answer
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Job, Reply

POLL_INTERVAL = 1.0  # seconds
LOOKS_WITHOUT_NEWS = 5  # at the history, before the queue is looked into
WAITING, RUNNING, ABSENT = "waiting", "running", "absent"


class File(VendorModel):
    filename: str
    subfolder: str = ""
    type: str = "output"


class Output(VendorModel):
    images: Lenient[tuple[Lenient[File], ...]] = None


class Status(VendorModel):
    status_str: Lenient[str] = None
    completed: Lenient[bool] = None
    messages: Lenient[tuple[Lenient[tuple[str, JsonValue]], ...]] = None


class Entry(VendorModel):
    prompt: Lenient[list[JsonValue]] = None
    outputs: Lenient[dict[str, Lenient[Output]]] = None
    status: Lenient[Status] = None


class History(RootModel[dict[str, Entry]]):
    """GET /history/{id}: empty, or one entry."""


class Queue(VendorModel):
    """Each item has the id of its graph in the second place."""

    queue_running: list[list[JsonValue]] = []  # noqa: RUF012 - pydantic copies it
    queue_pending: list[list[JsonValue]] = []  # noqa: RUF012 - pydantic copies it

    def place(self, id: str) -> str:
        """Return where a graph is."""
        if any(id in item[1:2] for item in self.queue_running):
            return RUNNING
        return WAITING if any(id in item[1:2] for item in self.queue_pending) else ABSENT


async def queue(job: Job, wire: Wire) -> Queue:
    """Return what the server works on."""
    return parse_answer(Queue, (await wire.free("GET", f"{job.endpoint.base_url}/queue")).content)


async def entry_of(id: str, job: Job, wire: Wire) -> Entry | None:
    """Return the history of a graph; None while there is none."""
    answer = await wire.free("GET", f"{job.endpoint.base_url}/history/{id}")
    return parse_answer(History, answer.content).root.get(id)


async def reply_of(id: str, job: Job, wire: Wire) -> Reply:
    """Wait for a graph and return its images, which cost nothing."""
    try:
        entry = await _ended(id, job, wire)
        status = entry.status or Status()
        files = [
            file for output in (entry.outputs or {}).values() for file in (output.images if output else None) or ()
        ]
        if status.status_str == "error" or not any(files):
            raise _failure(status)
        outputs = [file for file in files if file and file.type == "output"] or [file for file in files if file]
        seed = _seed(entry)
        images = [picture(await wire.download(_path(file)), seed=seed) for file in outputs]
    except ImageError as error:
        error.facts["request_id"] = id
        raise
    pictures = tuple(replace(image, url="") for image in images)
    return Reply(pictures=pictures, cost_usd=Decimal(0), details={"request_id": id})


def _path(file: File) -> str:
    return f"view?{urlencode({'filename': file.filename, 'subfolder': file.subfolder, 'type': file.type})}"


async def _ended(id: str, job: Job, wire: Wire) -> Entry:
    """Poll the history until the graph has ended, and report once that it runs. Raises not_found for a lost one."""
    looks, place = 0, WAITING

    def is_news(answer: httpx.Response) -> bool:
        nonlocal looks
        looks += 1
        return id in parse_answer(History, answer.content).root or looks % LOOKS_WITHOUT_NEWS == 0

    await wire.on_progress("ComfyUI has queued the graph.")
    while True:
        try:
            answer = await wire.poll(f"{job.endpoint.base_url}/history/{id}", is_news, every=POLL_INTERVAL)
        except ImageError as error:
            error.facts["outcome"] = "unknown"
            raise
        if entry := parse_answer(History, answer.content).root.get(id):
            return entry
        now = (await queue(job, wire)).place(id)
        if now == ABSENT and not (entry := await entry_of(id, job, wire)):
            message = "ComfyUI does not have the graph any more: it was cancelled, or the server was restarted."
            raise ImageError(Reason.NOT_FOUND, message, hint="Repeat the request.", facts={"code": "cancelled"})
        if now == RUNNING != place:
            place = now
            await wire.on_progress("ComfyUI is drawing.")


def _failure(status: Status) -> ImageError:
    messages = dict(message for message in status.messages or () if message)
    if "execution_interrupted" in messages:
        facts = {"code": "cancelled"}
        return ImageError(Reason.INVALID_REQUEST, "The graph was interrupted.", hint="Repeat the request.", facts=facts)
    found = messages.get("execution_error")
    details: dict[str, Any] = found if isinstance(found, dict) else {}
    node, kind = sanitize(details.get("node_type") or "", 60), sanitize(details.get("exception_type") or "", 80)
    if not details:
        return invalid_response("ComfyUI ended the graph without an image.")
    memory = "OutOfMemory" in kind
    hint = "Request a smaller size." if memory else "The server's window has the whole error."
    reason = Reason.INVALID_REQUEST if memory else Reason.INVALID_RESPONSE
    return ImageError(reason, f"ComfyUI failed in {node or 'a node'} with {kind or 'an error'}.", hint=hint)


def _seed(entry: Entry) -> int | None:
    """Return the seed of the graph, which the history repeats."""
    graph = (entry.prompt or [])[2:3]
    nodes = list(graph[0].values()) if graph and isinstance(graph[0], dict) else []
    for inputs in (node.get("inputs") for node in nodes if isinstance(node, dict)):
        for name in ("seed", "noise_seed") if isinstance(inputs, dict) else ():
            seed = inputs.get(name) if isinstance(inputs, dict) else None
            if isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0:
                return seed
    return None
