"""`atelier doctor`: check the set-up, and say what to do about each trouble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import anyio

from atelier.providers.core.errors import ImageError
from atelier.server.cli.setup.checks import (
    Check,
    bucket_check,
    database_check,
    failed,
    folder_checks,
    host_checks,
    network_checks,
    settings_checks,
    vendor_checks,
    version_checks,
)
from atelier.server.cli.terminal.messages import for_person
from atelier.server.cli.terminal.output import say, say_json
from atelier.server.cli.terminal.style import bold
from atelier.server.settings import Settings

SIGNS = {"ok": "✓", "note": "•", "failed": "✗"}


def doctor(*, json: bool) -> int:
    """Check settings, folders, storage, database, keys, network, clock and hosts. Exit code 1 when something failed."""
    checks = anyio.run(_checks)
    troubles = [check for check in checks if check.state == "failed"]
    if json:
        say_json({"ok": not troubles, "checks": [asdict(check) for check in checks]})
    else:
        say(report(checks))
        say("\nAll is well." if not troubles else f"\n{len(troubles)} of {len(checks)} checks failed.")
    return 1 if troubles else 0


async def _checks() -> list[Check]:
    notices = list[str]()
    try:
        settings = Settings.load(notices.append)
    except ImageError as error:
        return [failed("settings", "settings", error), *version_checks(), *host_checks()]
    found = [*settings_checks(settings, notices), *folder_checks(settings), await database_check(settings)]
    if settings.storage == "s3":
        found.append(await bucket_check(settings))
    found += [*network_checks(settings), *await vendor_checks(settings)]
    return [*found, *version_checks(), *host_checks()]


def report(checks: Sequence[Check]) -> str:
    """Return the findings below their areas."""
    width = max(len(check.name) for check in checks)
    lines = list[str]()
    for area in dict.fromkeys(check.area for check in checks):
        lines.append(bold(area.capitalize()))
        for check in (check for check in checks if check.area == area):
            lines.append(f"  {SIGNS[check.state]} {check.name.ljust(width)}  {for_person(check.message)}")
            if check.hint:
                lines.append(f"    {' ' * width}  {for_person(check.hint)}")
    return "\n".join(lines)
