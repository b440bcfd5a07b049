"""Open an image or a page with the system's programs."""

from __future__ import annotations

import sys
import webbrowser

from atelier.server.cli.output import say


def open_in_browser(address: str) -> None:
    """Open an address; print a note where there is no browser, as on a server."""
    try:
        opened = webbrowser.open(address)
    except webbrowser.Error:
        opened = False
    if not opened:
        say("Note: no browser was found to open it.", sys.stderr)
