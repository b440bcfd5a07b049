"""The state tables: what `providers.jobs` draws is what they allow, and one function decides how a job ends."""

from __future__ import annotations

import re

import pytest

from atelier.providers import jobs
from atelier.providers.jobs.stored_job import final_state
from atelier.providers.pipeline.states import (
    CALL_STATES_BEFORE,
    CALL_TRANSITIONS,
    JOB_STATES_BEFORE,
    JOB_TRANSITIONS,
    CallState,
    JobState,
)

ARROW = re.compile(r"(\(new\)|\w+) +--(\w)--> (\w+)")


def drawn(states: type[JobState] | type[CallState], part: str) -> set[tuple[str, str]]:
    """The arrows of one drawing, each as (from, to)."""
    text = (jobs.__doc__ or "").split(f"\n    {part}\n")[1].split("\n\n")[0]
    arrows = set[tuple[str, str]]()
    for line in text.splitlines():
        for found in re.finditer(r"(?=(\(new\)|\b\w+) +--\w--> (\w+))", line):
            arrows.add((found[1], found[2]))
    assert {state for arrow in arrows for state in arrow} <= {"(new)", *states}
    return arrows


def test_the_drawing_of_a_job_shows_the_transitions_that_are_allowed() -> None:
    allowed = {(str(a), str(b)) for a, targets in JOB_TRANSITIONS.items() for b in targets}
    assert drawn(JobState, "job") == allowed | {("(new)", "running")}


def test_the_drawing_of_a_vendor_call_shows_the_transitions_that_are_allowed() -> None:
    allowed = {(str(a), str(b)) for a, targets in CALL_TRANSITIONS.items() for b in targets}
    assert drawn(CallState, "vendor call") == allowed | {("(new)", "reserved")}


def test_the_sources_of_a_state_are_those_that_may_lead_to_it() -> None:
    assert CALL_STATES_BEFORE[CallState.SETTLED] == [CallState.SENT, CallState.UNKNOWN]
    assert JOB_STATES_BEFORE[JobState.RUNNING] == [JobState.COMPLETED, JobState.OUTCOME_UNKNOWN]


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"has_images": True, "outcome_known": False, "billed": True}, JobState.COMPLETED),
        ({"has_images": False, "outcome_known": False, "billed": False}, JobState.OUTCOME_UNKNOWN),
        ({"has_images": False, "outcome_known": False, "billed": False, "cancelled": True}, JobState.OUTCOME_UNKNOWN),
        ({"has_images": False, "outcome_known": True, "billed": True}, JobState.OUTCOME_UNKNOWN),
        ({"has_images": False, "outcome_known": True, "billed": True, "refused": True}, JobState.FAILED),
        ({"has_images": False, "outcome_known": True, "billed": False}, JobState.FAILED),
        ({"has_images": False, "outcome_known": True, "billed": False, "cancelled": True}, JobState.CANCELLED),
    ],
)
def test_the_end_of_a_job_follows_from_its_images_its_bill_and_what_is_known(
    facts: dict[str, bool], state: JobState
) -> None:
    assert final_state(**facts) is state
