"""ComfyUI: POST /prompt with a graph; its history is polled and names the files.

Facts: the server's source of 2026-11, and what a real server (0.3.64) answered. A refused graph is a 400 and free.
"""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    invalid_response,
    parse_answer,
    parse_refusal,
    reason_for_status,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.comfyui.graphs import graph_of
from atelier.providers.vendors.comfyui.prompts import reply_of
from atelier.providers.vendors.comfyui.workflows import FOLDER_VARIABLE, workflow_of
from atelier.providers.vendors.contract import Job, Reply

ENDPOINT = Endpoint(
    base_url="http://127.0.0.1:8188",
    base_url_variable="COMFYUI_URL",
    folder_variable=FOLDER_VARIABLE,
    timeout=60.0,  # of one exchange; a graph may take minutes
)


def prepare(job: Job) -> httpx.Request:
    """Build the request: a built-in graph, or the user's. `complete` adds the id and what only the server knows."""
    graph = workflow_of(job) if job.model.any_value else graph_of(job)
    return httpx.Request("POST", f"{job.endpoint.base_url}/prompt", json={"prompt": graph})


class Queued(VendorModel):
    """A graph that was taken, though perhaps not all of its outputs."""

    prompt_id: Lenient[str] = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Save the id of the graph, wait for it and download its images."""
    queued = parse_answer(Queued, response.content)
    if not queued.prompt_id:
        raise invalid_response("ComfyUI took the graph but names no id of it.")
    await wire.save_vendor_task({"prompt_id": queued.prompt_id})
    return await reply_of(queued.prompt_id, job, wire)


class Fault(VendorModel):
    type: Lenient[str] = None
    message: Lenient[str] = None
    details: Lenient[str] = None


class NodeFaults(VendorModel):
    errors: Lenient[tuple[Lenient[Fault], ...]] = None
    class_type: Lenient[str] = None


class Refusal(VendorModel):
    error: Lenient[Fault | str] = None
    node_errors: Lenient[dict[str, Lenient[NodeFaults]]] = None
    detail: Lenient[JsonValue] = None


HINTS: dict[Reason, str] = {
    Reason.AUTHENTICATION: "ComfyUI refuses this address or origin; COMFYUI_URL should be that of the server itself.",
    Reason.UNKNOWN_MODEL: "Check COMFYUI_URL: it should be the address of a ComfyUI server.",
    Reason.PROVIDER_UNAVAILABLE: "The server's window has the whole error.",
}


def explain(response: httpx.Response) -> ImageError:
    """Explain `{"error": {"type", "message", "details"}, "node_errors": {...}}`, or a gateway's page."""
    refusal, status = parse_refusal(Refusal, response.content), response.status_code
    reason, words = reason_for_status(status), list[str]()
    if isinstance(refusal.error, Fault):
        words.append(refusal.error.message or refusal.error.type or "")
    elif refusal.error or refusal.detail:
        words.append(str(refusal.error or refusal.detail))
    for node in (refusal.node_errors or {}).values():
        for fault in (node.errors or ()) if node else ():
            if node and fault:
                words.append(f"{node.class_type}: {fault.message} ({fault.details})")
    code = refusal.error.type if isinstance(refusal.error, Fault) else None
    facts: dict[str, Any] = {"code": sanitize(code, 60)} if code else {}
    return ImageError(
        reason,
        f"ComfyUI answered {status}" + (f": “{sanitize('; '.join(filter(None, words)))}”" if any(words) else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts=facts,
    )


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the images of a graph whose id was saved. The history is lost when the server restarts."""
    return await reply_of(str((job.task or {})["prompt_id"]), job, wire)
