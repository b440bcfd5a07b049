"""`atelier studio`: see, compare and paint images in a browser."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any

import anyio

from atelier.server.cli.output import say
from atelier.server.settings import Settings


def studio(options: argparse.Namespace) -> int:
    """Open the studio in a browser, a page to see, compare, paint and make images, until Ctrl-C."""
    from atelier.server.http.studio import serve_studio
    from atelier.server.observability import logs

    logs.configure()
    settings = Settings.load(lambda notice: say(notice, sys.stderr))
    logs.set_level(settings.log_level or "error")
    say("The address below opens the studio in one browser, once. Ctrl-C ends it.", sys.stderr)
    return anyio.run(partial(serve_studio, settings, options.listen, say, browse=options.open))


def declare(commands: Any) -> None:
    """`atelier studio`"""
    parser = commands.add_parser("studio", help="open the studio in a browser", description=studio.__doc__)
    parser.add_argument("--no-open", dest="open", action="store_false", help="print the address only")
    words = "the port to listen on; any free one by default"
    parser.add_argument("--port", dest="listen", type=int, choices=range(65_536), metavar="PORT", default=0, help=words)
    parser.set_defaults(run=studio)
