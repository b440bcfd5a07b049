"""The calls that are being answered, over whichever transport: a name in the log, a line, and one boundary for errors.

An answer has left when its transport says so: over stdio when its line is written, over HTTP when the last byte of the
response is on its way, in memory at once. Until then `leaving` holds what is to be done.
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
from atelier.server.storage.remote_storage import unplaced

Act = Callable[[], None]

MAX_ARGUMENT = 2000  # characters of an argument in the log


@dataclass(slots=True)
class AnswerDelivery:
    """What is to be done once an answer has left, and what when it never does."""

    left: list[Act] = field(default_factory=list[Act])
    lost: list[Act] = field(default_factory=list[Act])

    def end(self, *, left: bool) -> None:
        """It has left, or never will."""
        acts = self.left if left else self.lost
        self.left, self.lost = [], []
        for act in acts:
            act()


leaving: ContextVar[AnswerDelivery | None] = ContextVar("leaving", default=None)
"""That of the answer to this request; None where an answer leaves at once."""


def when_it_leaves(left: Act, lost: Act) -> None:
    """Do something once the answer to this call has left, something else when it never does."""
    departure = leaving.get()
    if departure is None:
        left()
    else:
        departure.left.append(left)
        departure.lost.append(lost)


@contextmanager
def delivering(service: ImageService, job: str | None) -> Generator[None]:
    """Within the block an answer is made that bears the result of a job, which is delivered once it has left."""
    try:
        yield
    except BaseException:
        if job:
            service.abandon_delivery(job)
        raise
    if job:
        when_it_leaves(partial(service.mark_delivered, job), partial(service.abandon_delivery, job))


def log_arguments(name: str, arguments: Mapping[str, object]) -> None:
    """Log the arguments of a tool at debug, shortened and without images."""
    if log.isEnabledFor(logging.DEBUG):
        shown = {sanitize(key, 60): sanitize(value, MAX_ARGUMENT) for key, value in arguments.items()}
        log.debug("tool arguments", extra={"facts": {"tool": name, "arguments": shown}})


class CallerGoneError(Exception):
    """Nobody is there any more to answer."""


class Calls:
    """How many calls are being answered, those of callers who have gone included.

    Callers who are `remote` hear nothing of this machine's folders.
    """

    def __init__(self, *, remote: bool = False) -> None:
        self.count = 0
        self._remote = remote

    @contextmanager
    def answering(self, name: str) -> Generator[None]:
        """One call: a line in the log, and every failure of ours an ImageError."""
        call_id.set(new_id("call"))
        began, outcome = time.monotonic(), "cancelled"
        self.count += 1
        try:
            yield
            outcome = "done"
        except CallerGoneError:
            raise
        except InputNeeded:
            outcome = "asked"
            raise
        except ImageError as error:
            outcome = error.reason.value
            if error.__cause__ is not None:
                log.error("unforeseen", exc_info=error.__cause__, extra={"facts": {"tool": name}})
            raise self.told(error) from None
        except Exception as error:
            log.exception("tool crashed", extra={"facts": {"tool": name}})
            outcome = Reason.INTERNAL.value
            raise internal_error(f"The server's log has it under {call_id.get()}; please report it.") from error
        finally:
            self.count -= 1
            seconds = round(time.monotonic() - began, 3)
            log.info("tool called", extra={"facts": {"tool": name, "outcome": outcome, "seconds": seconds}})

    def told(self, error: ImageError) -> ImageError:
        """An error as its caller may hear it."""
        return unplaced(error) if self._remote else error
