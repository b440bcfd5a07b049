"""The states of a job and of a vendor call, and the transitions that are allowed.

The database builds the guards of its statements from these tables; `providers.jobs` draws them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    """The state of a job. The values are what `atelier jobs` and the API print."""

    RUNNING = "running"
    """`open_job` writes it before anything is sent; the process that owns the job ends it."""
    COMPLETED = "done"
    """Its images were made, and stored if a storage took them. The sweeper claims it while more may come."""
    FAILED = "failed"
    """It has no image, and nothing was billed but what a refusal cost."""
    CANCELLED = "cancelled"
    """The caller disconnected, or the process ended, before anything was sent."""
    OUTCOME_UNKNOWN = "unknown"
    """The vendor may have billed it, or did, and there is no image. The sweeper claims it while it is collectable."""


class CallState(StrEnum):
    """The state of one vendor call and of its money in the ledger."""

    RESERVED = "reserved"
    """The high end of its estimate counts against the budgets; nothing was sent."""
    SENT = "sent"
    """Written just before the request is sent: from here on the vendor may bill it."""
    SETTLED = "settled"
    """The vendor's bill is known."""
    RELEASED = "released"
    """It was never sent, or the vendor refused it without billing."""
    UNKNOWN = "unknown"
    """Whether the vendor billed it is not known: the reservation stays."""


JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.RUNNING: frozenset(
        {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.OUTCOME_UNKNOWN},
    ),
    JobState.COMPLETED: frozenset({JobState.RUNNING}),
    JobState.OUTCOME_UNKNOWN: frozenset({JobState.RUNNING}),
}
"""State of a job -> the states that may follow."""

CALL_TRANSITIONS: Mapping[CallState, frozenset[CallState]] = {
    CallState.RESERVED: frozenset({CallState.SENT, CallState.RELEASED}),
    CallState.SENT: frozenset({CallState.SETTLED, CallState.RELEASED, CallState.UNKNOWN}),
    CallState.UNKNOWN: frozenset({CallState.SETTLED}),
}
"""State of a vendor call -> the states that may follow."""


JOB_STATES_BEFORE = {
    state: [before for before, after in JOB_TRANSITIONS.items() if state in after] for state in JobState
}
CALL_STATES_BEFORE = {
    state: [before for before, after in CALL_TRANSITIONS.items() if state in after] for state in CallState
}
"""State -> the states from which it may be entered."""
