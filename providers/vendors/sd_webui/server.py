"""Requests to a Stable Diffusion web UI beside those for images: checkpoints, upscalers, progress and interrupts.

Facts: the source of AUTOMATIC1111 and SD.Next as of 2026. An interrupt stops the running task, also one of another
client, so it is sent only if the server does not name another task. A fork that ignores `force_task_id` names none.
"""

from __future__ import annotations

import json
from typing import Any

import anyio
from pydantic import FiniteFloat, RootModel

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.refusals import close_names, did_you_mean
from atelier.providers.transport.vendor_json import Lenient, VendorModel, parse_answer
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Completed, Job
from atelier.providers.vendors.sd_webui.adapter import DEFAULT_UPSCALER
from atelier.providers.vendors.sd_webui.models import UPSCALE

PROGRESS_INTERVAL = 1.0  # seconds
NAMES_SHOWN = 30
RESIZERS = ("None", "Lanczos", "Nearest")  # upscalers that only resize


class Checkpoint(VendorModel):
    """`title` is the name with the hash in brackets."""

    title: Lenient[str] = None
    model_name: Lenient[str] = None


class Named(VendorModel):
    name: Lenient[str] = None


class Checkpoints(RootModel[list[Checkpoint]]):
    """GET /sd-models"""


class Upscalers(RootModel[list[Named]]):
    """GET /upscalers"""


async def complete(request: httpx.Request, job: Job, wire: Wire) -> Completed:
    """Add the id of the task, and check a checkpoint or an upscaler against the server's list."""
    body, base = json.loads(request.read()), f"{job.endpoint.base_url}/sdapi/v1"
    if job.model.id == UPSCALE:
        upscaler = await _known_upscaler(job, base, wire)
        unchanged = upscaler == body["upscaler_1"]
        return Completed(request if unchanged else _changed(request, {**body, "upscaler_1": upscaler}))
    if checkpoint := body.get("override_settings", {}).get("sd_model_checkpoint"):
        body["override_settings"]["sd_model_checkpoint"] = await _known_checkpoint(checkpoint, base, wire)
    return Completed(_changed(request, {**body, "force_task_id": task_id(job)}))


def task_id(job: Job) -> str:
    """Return the id by which the server names our task."""
    return f"atelier-{job.id}"


def _changed(request: httpx.Request, body: dict[str, Any]) -> httpx.Request:
    return httpx.Request("POST", request.url, json=body)


async def _known_checkpoint(wanted: str, base: str, wire: Wire) -> str:
    """Return the server's title of a checkpoint. Raises unknown_model: a server may ignore a name it lacks."""
    listing = parse_answer(Checkpoints, (await wire.free("GET", f"{base}/sd-models")).content).root
    for each in listing:
        title, name = (each.title or "").lower(), (each.model_name or "").lower()
        names = {title, name, title.partition(" [")[0]}
        if wanted.lower() in names | {name.rpartition(".")[0] for name in names}:
            return each.title or each.model_name or wanted
    have = [each.model_name or each.title or "" for each in listing]
    raise _missing("checkpoint", wanted, have, Reason.UNKNOWN_MODEL)


async def _known_upscaler(job: Job, base: str, wire: Wire) -> str:
    """Return the requested upscaler, else the usual one or the server's first that does more than resize."""
    listing = parse_answer(Upscalers, (await wire.free("GET", f"{base}/upscalers")).content).root
    have = [each.name for each in listing if each.name and each.name not in RESIZERS]
    wanted = job.request.options.get("upscaler", DEFAULT_UPSCALER)
    if wanted in have or (not have and "upscaler" not in job.request.options):
        return wanted
    if "upscaler" in job.request.options or not have:
        raise _missing("upscaler", wanted, have, Reason.UNSUPPORTED_OPTION)
    return have[0]


def _missing(kind: str, wanted: str, have: list[str], reason: Reason) -> ImageError:
    shown = ", ".join(sanitize(name, 80) for name in have[:NAMES_SHOWN])
    hint = did_you_mean([sanitize(name, 80) for name in close_names(wanted, have)])
    message = f"The Stable Diffusion server has no {kind} “{sanitize(wanted, 80)}”."
    return ImageError(reason, message, hint=f"{hint} It has {shown or 'none'}.".strip(), facts={"option": kind})


class State(VendorModel):
    sampling_step: Lenient[int] = None
    sampling_steps: Lenient[int] = None


class Progress(VendorModel):
    """`progress` is 0 to 1; 0 without a job is idle. Newer servers name the `current_task`."""

    progress: Lenient[FiniteFloat] = None
    state: Lenient[State] = None
    current_task: Lenient[str] = None


async def _progress(job: Job, wire: Wire) -> Progress:
    url = f"{job.endpoint.base_url}/sdapi/v1/progress?skip_current_image=true"
    return parse_answer(Progress, (await wire.free("GET", url)).content)


async def watch(job: Job, wire: Wire) -> None:
    """Report the progress of the server each time it changes."""
    reported = ""
    while True:
        await anyio.sleep(PROGRESS_INTERVAL)
        now = await _progress(job, wire)
        if not now.progress or now.current_task not in (None, "", task_id(job)):
            continue
        state = now.state or State()
        steps = f" (step {state.sampling_step} of {state.sampling_steps})" if state.sampling_steps else ""
        message = f"The Stable Diffusion server is at {now.progress:.0%}{steps}."
        if message != reported:
            reported = message
            await wire.on_progress(message)


async def cancel(job: Job, wire: Wire) -> None:
    """Interrupt the server, which then answers with what it has; not while it works on another's task."""
    if (await _progress(job, wire)).current_task in (None, "", task_id(job)):
        await wire.free("POST", f"{job.endpoint.base_url}/sdapi/v1/interrupt")
