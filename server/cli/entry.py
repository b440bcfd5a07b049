"""Parses the command line and runs a subcommand."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version

from atelier.providers.core.errors import ImageError
from atelier.server.cli import commands as cli
from atelier.server.cli.output import UnwritableStreamError
from atelier.server.cli.terminal_messages import for_person
from atelier.server.observability.logs import log
from atelier.server.shutdown import EndedError


def run(arguments: Sequence[str]) -> None:
    """Run a subcommand and exit with its code; see `server.main`."""
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(encoding="utf-8", errors="replace")  # a Windows console may use a narrower encoding
    log.addHandler(logging.NullHandler())  # commands print sentences; only `serve` writes log lines
    parser = argparse.ArgumentParser(
        prog="atelier", description="Pictures from several vendors' image models, over MCP."
    )
    parser.add_argument("--version", action="version", version=f"atelier {version('atelier-mcp')}")
    commands = parser.add_subparsers(title="commands", metavar="command")
    for declare in cli.COMMANDS:
        declare(commands)
    cli.add_http_options(parser, default=None)
    parser.set_defaults(run=cli.serve)
    options = parser.parse_args(arguments)
    if wrong := cli.check_http(options):
        parser.error(wrong)
    try:
        sys.exit(options.run(options))
    except ImageError as error:
        sys.stderr.write(f"atelier: {for_person(f'{error.message} {error.hint}'.strip())}\n")
        sys.exit(1)
    except UnwritableStreamError as unwritable:
        sys.stderr.write(f"atelier: {unwritable.strerror}.\n")
        sys.exit(1)
    except EndedError as signalled:
        sys.exit(signalled.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output closed it, as `| head` does
        sys.exit(1)
