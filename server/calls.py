"""The calls that are being answered, over any transport: an id and a line in the log, and one error boundary.

An answer is delivered when its transport says so: over stdio when its line is written, over HTTP when the last byte of
the response was sent, in memory at once. Until then `answer_delivery` holds the callbacks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial

from atelier.providers.core.errors import ImageError, Reason, internal_error, sanitize
from atelier.providers.core.ids import new_id
from atelier.providers.jobs.service import ImageService
from atelier.server.logs import call_id, log
from atelier.server.mcp.elicitation import InputNeeded
from atelier.server.storage.remote_storage import without_location

Callback = Callable[[], None]

MAX_ARGUMENT = 2000  # characters of an argument in the log


@dataclass(slots=True)
class AnswerDelivery:
    """The callbacks for when an answer has been written to the client."""

    on_delivered: list[Callback] = field(default_factory=list[Callback])

    def complete(self, *, delivered: bool) -> None:
        """Run the callbacks if the answer was written; forget them if it never will be."""
        callbacks, self.on_delivered = self.on_delivered, []
        for callback in callbacks if delivered else ():
            callback()


answer_delivery: ContextVar[AnswerDelivery | None] = ContextVar("answer_delivery", default=None)
"""The delivery of the answer to this request; None where an answer is delivered at once."""


def on_delivery(callback: Callback) -> None:
    """Call back once the answer to this call is delivered."""
    delivery = answer_delivery.get()
    if delivery is None:
        callback()
    else:
        delivery.on_delivered.append(callback)


@contextmanager
def delivering(service: ImageService, job: str | None) -> Generator[None]:
    """Build the answer with a job's result within the block; the job is delivered when the answer is."""
    yield
    if job:
        on_delivery(partial(service.mark_delivered, job))


def log_arguments(name: str, arguments: Mapping[str, object]) -> None:
    """Log the arguments of a tool at debug, shortened and without images."""
    if log.isEnabledFor(logging.DEBUG):
        shown = {sanitize(key, 60): sanitize(value, MAX_ARGUMENT) for key, value in arguments.items()}
        log.debug("tool arguments", extra={"facts": {"tool": name, "arguments": shown}})


class CallerGoneError(Exception):
    """The caller disconnected before the answer."""


class Calls:
    """Counts the calls that are being answered, including those whose caller disconnected.

    Errors for `remote` callers name no folders of this machine.
    """

    def __init__(self, *, remote: bool = False) -> None:
        self.count = 0
        self._remote = remote

    @contextmanager
    def answering(self, name: str) -> Generator[None]:
        """Answer a call within the block: log it, and raise every failure of ours as an ImageError."""
        call_id.set(new_id("call"))
        began, outcome = time.monotonic(), "cancelled"
        self.count += 1
        try:
            yield
            outcome = "done"
        except CallerGoneError:
            raise
        except InputNeeded:
            outcome = "input required"
            raise
        except ImageError as error:
            outcome = error.reason.value
            if error.__cause__ is not None:
                log.error("unexpected error", exc_info=error.__cause__, extra={"facts": {"tool": name}})
            raise self.for_caller(error) from None
        except Exception as error:
            log.exception("tool crashed", extra={"facts": {"tool": name}})
            outcome = Reason.INTERNAL.value
            raise internal_error(f"The server's log has it under {call_id.get()}; please report it.") from error
        finally:
            self.count -= 1
            seconds = round(time.monotonic() - began, 3)
            log.info("tool called", extra={"facts": {"tool": name, "outcome": outcome, "seconds": seconds}})

    def for_caller(self, error: ImageError) -> ImageError:
        """Return the error as its caller may read it."""
        return without_location(error) if self._remote else error
