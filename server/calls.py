"""The calls that are being answered, over whichever transport: a name in the log, a line, and one boundary for errors.

An answer has left when its transport says so. Over stdio that is at once; over HTTP `leaving` holds what is to be done
until the last byte of the response is on its way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.ids import new_id
from atelier.server.asking import InputNeeded
from atelier.server.logs import call_id, log

leaving: ContextVar[list[Callable[[], None]] | None] = ContextVar("leaving", default=None)
"""What is to be done once the response has left; None where an answer leaves at once."""


def when_it_leaves(act: Callable[[], None]) -> None:
    """Do something once the answer to this call has left, and not at all when it does not."""
    acts = leaving.get()
    if acts is None:
        act()
    else:
        acts.append(act)


class CallerGoneError(Exception):
    """Nobody is there any more to answer."""


class Calls:
    """How many calls are being answered, those of callers who have gone included."""

    def __init__(self) -> None:
        self.count = 0

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
            raise
        except Exception as error:
            log.exception("tool crashed", extra={"facts": {"tool": name}})
            outcome = Reason.INTERNAL.value
            raise _crash() from error
        finally:
            self.count -= 1
            seconds = round(time.monotonic() - began, 3)
            log.info("tool called", extra={"facts": {"tool": name, "outcome": outcome, "seconds": seconds}})


def _crash() -> ImageError:
    return ImageError(
        Reason.INTERNAL,
        "Atelier failed in a way that it did not foresee.",
        hint=f"The server's log has it under {call_id.get()}; please report it.",
    )
