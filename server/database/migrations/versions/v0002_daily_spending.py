"""Add the spending of each day, which the database keeps up to date, and an index of inline images.

A budget is checked before every paid job, which must not take longer with every job of the month.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _counted(row: str = "") -> str:
    """Return the expression for the USD of a row that count towards the caps; `COUNTED` in `ledger` is the same."""
    return (
        f"CASE {row}state WHEN 'released' THEN 0"
        f" WHEN 'settled' THEN coalesce({row}spent_usd, {row}reserved_usd, 0) ELSE coalesce({row}reserved_usd, 0) END"
    )


NEW, OLD = _counted("NEW."), _counted("OLD.")
ADD = (
    "INSERT INTO daily_spending VALUES (NEW.caller, NEW.day, {usd})"
    " ON CONFLICT (caller, day) DO UPDATE SET usd = daily_spending.usd + excluded.usd;"
)

TABLES = (
    "CREATE TABLE daily_spending (caller VARCHAR NOT NULL, day VARCHAR(10) NOT NULL, usd {usd} NOT NULL,"
    " PRIMARY KEY (caller, day))",
    f"INSERT INTO daily_spending SELECT caller, day, sum({_counted()}) FROM vendor_calls GROUP BY caller, day",  # noqa: S608 - ours
    "CREATE INDEX jobs_inline ON jobs (created_at) WHERE {inline}",
)

TYPES = {
    "sqlite": {"usd": "BIGINT", "inline": "inline = 1"},
    "postgresql": {"usd": "NUMERIC(14, 6)", "inline": "inline"},
}

TRIGGERS = {
    "sqlite": (
        f"CREATE TRIGGER spending_added AFTER INSERT ON vendor_calls BEGIN {ADD.format(usd=NEW)} END",
        "CREATE TRIGGER spending_changed AFTER UPDATE OF state, reserved_usd, spent_usd ON vendor_calls"
        f" WHEN ({NEW}) <> ({OLD}) BEGIN {ADD.format(usd=f'({NEW}) - ({OLD})')} END",
    ),
    "postgresql": (
        f"CREATE FUNCTION atelier_add_spending() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {ADD.format(usd=NEW)} RETURN NULL; END $$",
        f"CREATE FUNCTION atelier_change_spending() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {ADD.format(usd=f'({NEW}) - ({OLD})')} RETURN NULL; END $$",
        "CREATE TRIGGER spending_added AFTER INSERT ON vendor_calls"
        " FOR EACH ROW EXECUTE FUNCTION atelier_add_spending()",
        "CREATE TRIGGER spending_changed AFTER UPDATE OF state, reserved_usd, spent_usd ON vendor_calls"
        f" FOR EACH ROW WHEN (({NEW}) <> ({OLD})) EXECUTE FUNCTION atelier_change_spending()",
    ),
}


def upgrade() -> None:
    """Add the table with what was spent before, its triggers and the index."""
    connection = op.get_bind()
    dialect = connection.dialect.name
    for statement in (*(each.format(**TYPES[dialect]) for each in TABLES), *TRIGGERS[dialect]):
        connection.execute(text(statement))
