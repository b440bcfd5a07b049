"""`atelier studio`: open the studio in a browser."""

from __future__ import annotations

import sys
from functools import partial

import anyio

from atelier.server.cli.terminal.output import say
from atelier.server.settings import Settings


def studio(*, no_open: bool, port: int) -> int:
    """Open the studio in a browser, a page to see, compare, paint and make images, until Ctrl-C."""
    from atelier.server.http.studio import serve_studio
    from atelier.server.observability import logs

    logs.configure()
    settings = Settings.load(lambda notice: say(notice, sys.stderr))
    logs.set_level(settings.log_level or "error")
    say("The address below opens the studio in one browser, once. Ctrl-C ends it.", sys.stderr)
    return anyio.run(partial(serve_studio, settings, port, say, browse=not no_open))
