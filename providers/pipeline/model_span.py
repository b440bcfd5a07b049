"""The span of a vendor call, with the attributes that OpenTelemetry defines for calls of generative models.

Facts: the GenAI semantic conventions as of 2026-11, which are still marked as under development.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager

from atelier.providers.core.tracing import Span, records_prompts, span
from atelier.providers.vendors.contract import Job, Reply

OPERATION = "generate_content"

KNOWN_PROVIDERS = {"gemini": "gcp.gemini", "xai": "x_ai"}
"""Our vendor -> the conventions' name for it, where they differ."""


def model_span(vendor: str, job: Job) -> AbstractContextManager[Span]:
    """Record a vendor call within the block, with its retries, polls and downloads."""
    request, model = job.request, job.model.id
    attributes = {
        "gen_ai.operation.name": OPERATION,
        "gen_ai.provider.name": KNOWN_PROVIDERS.get(vendor, vendor),
        "gen_ai.request.model": model,
        "gen_ai.request.seed": request.seed,
        "gen_ai.request.choice.count": request.count if request.count > 1 else None,
        "gen_ai.output.type": "image",
        "gen_ai.input.messages": _messages(request.prompt) if records_prompts() else None,
        "atelier.operation": request.operation.value,
        "atelier.job.id": job.id,
    }
    return span(f"{OPERATION} {model}", attributes, kind="client")


def record_reply(vendor_span: Span, reply: Reply) -> None:
    """Add what the vendor answered."""
    request_id = reply.details.get("request_id")
    vendor_span.set(
        {
            "gen_ai.response.id": None if request_id is None else str(request_id),
            "gen_ai.usage.input_tokens": reply.usage.input_tokens if reply.usage else None,
            "gen_ai.usage.output_tokens": reply.usage.output_tokens if reply.usage else None,
            "atelier.images": len(reply.pictures),
        }
    )


def _messages(prompt: str) -> str:
    """Return the prompt in the conventions' form of a conversation, as JSON."""
    return json.dumps([{"role": "user", "parts": [{"type": "text", "content": prompt}]}], ensure_ascii=False)
