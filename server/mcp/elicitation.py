"""A question about cost, put to the person behind the client in either protocol era, or not at all.

Up to 2025-11-25 the server asks during the call (elicitation/create). In 2026-07-28 the call is answered with the
question and made again with the answer; the SDK seals the state that goes along, so that nobody can put words into it.
A client that cannot be asked must never be: it would see a protocol error in place of an answer.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from pydantic import BaseModel, Field

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.pricing.budget import Confirm

MODERN = "2026-07-28"
QUESTION = "cost"
REMEMBERED = 600.0  # seconds for which a no is remembered


class Proceed(BaseModel):
    """The form that the person sees."""

    proceed: bool = Field(title="Spend it", description="Whether the picture may cost this much.")


class InputNeeded(Exception):  # noqa: N818 - no error: the answer to the call is a question
    """Ends a call that has to be made again with an answer. Nothing was reserved or sent by then."""

    def __init__(self, question: str) -> None:
        super().__init__("a question has to be answered first")
        form = ElicitRequestFormParams(message=question, requested_schema=Proceed.model_json_schema())
        self.result = InputRequiredResult(
            input_requests={QUESTION: ElicitRequest(params=form)}, request_state=_digest(question)
        )


class Declined:
    """The questions that a user said no to in the last ten minutes: to these `confirm_cost` is no yes."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], float] = {}

    def remembering(self, caller: str, confirm: Confirm) -> Confirm:
        """The same way to ask; its answers are remembered."""

        async def asked(question: str) -> bool:
            yes = await confirm(question)
            self._at.pop((caller, question), None)
            if not yes:
                self._at[caller, question] = time.monotonic()
            return yes

        return asked

    def confirm_price(self, caller: str, confirm: Confirm | None) -> Confirm:
        """What stands for the user's yes when a call has `confirm_cost`: they are asked again after a no."""

        async def answered(question: str) -> bool:
            self._at = {key: at for key, at in self._at.items() if time.monotonic() - at < REMEMBERED}
            return await confirm(question) if confirm and (caller, question) in self._at else True

        return answered


def confirm_of(context: Context[Any, Any]) -> Confirm | None:
    """How this client is asked; None when it cannot be."""
    capabilities = context.client_capabilities
    asks = capabilities.elicitation if capabilities else None
    if asks is None or (asks.form is None and asks.url is not None):
        return None
    if context.protocol_version == MODERN:
        return lambda question: _answered(context, question)
    if context.session.can_send_request:
        return lambda question: _asked(context, question)
    return None


async def _answered(context: Context[Any, Any], question: str) -> bool:
    """The answer that came with the call, if it is one to this very question: its price may have changed since."""
    answer = (context.input_responses or {}).get(QUESTION)
    if answer is None or context.request_state != _digest(question):
        raise InputNeeded(question)
    return _is_yes(answer, question)


async def _asked(context: Context[Any, Any], question: str) -> bool:
    """The answer of a client that says it can ask; one that then answers with an error could not after all."""
    schema = Proceed.model_json_schema()
    try:
        answer = await context.session.elicit_form(question, schema, related_request_id=context.request_id)
    except MCPError:
        raise _not_asked(question, "the client could not") from None
    return _is_yes(answer, question)


def _not_asked(question: str, why: str) -> ImageError:
    """The error for a question that no person has answered: neither a yes nor a no."""
    message = f"The user was to be asked “{question}”, and {why}; nothing was sent."
    hint = "Ask the user; when they agree, call again with confirm_cost=true."
    return ImageError(Reason.BUDGET_EXCEEDED, message, hint=hint)


def _is_yes(answer: object, question: str) -> bool:
    """Only a form that was accepted with its box ticked. Clients accept empty forms, and some write `true` in words.

    Raises budget_exceeded for a form that was closed: that is no answer.
    """
    if isinstance(answer, ElicitResult) and answer.action == "cancel":
        raise _not_asked(question, "closed the form without an answer")
    if not isinstance(answer, ElicitResult) or answer.action != "accept":
        return False
    proceed = (answer.content or {}).get("proceed")
    return proceed is True or proceed == "true"


def _digest(question: str) -> str:
    return hashlib.sha256(question.encode()).hexdigest()
