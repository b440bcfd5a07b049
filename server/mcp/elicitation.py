"""Elicitation: ask the user to confirm a cost, in either protocol era.

Up to 2025-11-25 the server sends elicitation/create during the call. In 2026-07-28 the server answers the call with the
question and the client repeats the call with the user's answer; the SDK seals the state that travels with it, so that
the client cannot change it. A client without elicitation is never asked: it would see a protocol error instead of an
answer.
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
DECLINE_TTL = 600.0  # seconds


class Proceed(BaseModel):
    """The form that the user sees."""

    proceed: bool = Field(title="Spend it", description="Whether the picture may cost this much.")


class InputNeeded(Exception):  # noqa: N818 - not an error: the call is answered with a question
    """Ends a call that the client must repeat with the user's answer. Nothing has been reserved or sent yet."""

    def __init__(self, question: str) -> None:
        super().__init__("a question has to be answered first")
        form = ElicitRequestFormParams(message=question, requested_schema=Proceed.model_json_schema())
        self.result = InputRequiredResult(
            input_requests={QUESTION: ElicitRequest(params=form)}, request_state=_digest(question)
        )


class DeclinedCosts:
    """The questions that users declined within DECLINE_TTL. `confirm_cost` does not confirm these."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, str], float] = {}

    def callbacks(self, caller: str, context: Context[Any, Any]) -> tuple[Confirm | None, Confirm]:
        """Return the callback that asks the user, if the client can, and that of a call with `confirm_cost`.

        The second asks again only what was declined.
        """
        confirm = confirm_callback(context)

        async def ask(question: str) -> bool:
            yes = confirm is None or await confirm(question)
            self._at.pop((caller, question), None)
            if not yes:
                self._at[caller, question] = time.monotonic()
            return yes

        async def ask_again(question: str) -> bool:
            self._at = {key: at for key, at in self._at.items() if time.monotonic() - at < DECLINE_TTL}
            return await ask(question) if confirm and (caller, question) in self._at else True

        return ask if confirm else None, ask_again


def confirm_callback(context: Context[Any, Any]) -> Confirm | None:
    """Return the callback that asks the user, or None when the client does not support elicitation."""
    capabilities = context.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return None
    if context.protocol_version == MODERN:
        return lambda question: _confirm_by_retry(context, question)
    if context.session.can_send_request:
        return lambda question: _confirm_by_elicitation(context, question)
    return None


async def _confirm_by_retry(context: Context[Any, Any], question: str) -> bool:
    """Return the answer that came with the call. The price in the question may have changed since; then ask again."""
    answer = (context.input_responses or {}).get(QUESTION)
    if answer is None or context.request_state != _digest(question):
        raise InputNeeded(question)
    return _is_yes(answer, question)


async def _confirm_by_elicitation(context: Context[Any, Any], question: str) -> bool:
    """Send the question to the client. A client that answers with an error does not support elicitation after all."""
    schema = Proceed.model_json_schema()
    try:
        answer = await context.session.elicit_form(question, schema, related_request_id=context.request_id)
    except MCPError:
        raise _unanswered(question, "the client could not show the question") from None
    return _is_yes(answer, question)


def _unanswered(question: str, why: str) -> ImageError:
    """Return the error for a question that the user has not answered."""
    message = f"The user was not asked “{question}”: {why}. Nothing was sent."
    hint = "Ask the user; when they agree, call again with confirm_cost=true."
    return ImageError(Reason.BUDGET_EXCEEDED, message, hint=hint)


def _is_yes(answer: object, question: str) -> bool:
    """Return whether the form was accepted with its box ticked.

    Clients accept empty forms, and some send `true` as a string. Raises budget_exceeded for a form that was closed.
    """
    if isinstance(answer, ElicitResult) and answer.action == "cancel":
        raise _unanswered(question, "the form was closed without an answer")
    if not isinstance(answer, ElicitResult) or answer.action != "accept":
        return False
    proceed = (answer.content or {}).get("proceed")
    return proceed is True or proceed == "true"


def _digest(question: str) -> str:
    return hashlib.sha256(question.encode()).hexdigest()
