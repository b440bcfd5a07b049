"""The signatures of the commands about money and jobs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from atelier.providers.pipeline.states import JobState
from atelier.server.cli.signatures import defaults
from atelier.server.cli.terminal.shared_options import Json
from atelier.server.database.spending import By


def spend(
    *,
    by: Annotated[By, Parameter(help="How to group; by model by default.")] = "model",
    since: Annotated[str | None, Parameter(metavar="YYYY-MM-DD", help="The first day that counts, in UTC.")] = None,
    rebuild: Annotated[bool, Parameter(help="First restore a lost ledger from the stored images.")] = False,
    json: Json = False,
) -> int:
    """Print what was spent, grouped by model by default."""
    from atelier.server.cli.account.spend import spend as run

    return run(by=by, since=since, rebuild=rebuild, json=json)


def jobs(
    id: Annotated[str | None, Parameter(help="Print everything about this job.")] = None,
    /,
    *,
    state: Annotated[
        str | None, Parameter(choices=[each.value for each in JobState], help="Only jobs in this state.")
    ] = None,
    limit: Annotated[int, Parameter(metavar="N", help=f"How many; {defaults.JOBS} by default.")] = defaults.JOBS,
    json: Json = False,
) -> int:
    """List the newest jobs and their outcome, or print everything that is known of one."""
    from atelier.server.cli.account.jobs import jobs as run

    return run(id, state=state, limit=limit, json=json)


def flush(*, json: Json = False) -> int:
    """Upload every queued image; print a line for each, then the totals. Exit code 1 when one is still queued."""
    from atelier.server.cli.account.flush import flush as run

    return run(json=json)
