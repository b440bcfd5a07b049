"""The subcommands. Their options come from the tools' parameters, so that each is described once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio

from atelier.providers.core.errors import sanitize
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.providers.styles.library import StyleLibrary
from atelier.server.cli import flush_command, jobs_command, models_command, show_command, spend_command, studio_command
from atelier.server.cli.cost_command import estimate, locate_files
from atelier.server.cli.image_call import run_image_call
from atelier.server.cli.output import say
from atelier.server.settings import Settings
from atelier.server.shutdown import until_idle
from atelier.tools import edit_image, estimate_cost, generate_image
from atelier.tools.parameters.arguments import parameters_of
from atelier.tools.tool import Tool

METAVARS = {"images": "IMAGE", "options": "NAME=VALUE", "fallback": "MODEL"}
"""Parameters that take several values -> the name of one value in the help."""

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000

Run = Callable[[argparse.Namespace], int]

NOT_OPTIONS = ("save", "deliver", "output_path", "models")
"""Parameters that are not options: a picture that is not stored is of no use here, and --output is declared apart."""

Subcommands = Any  # the type of argparse's subparsers is private


def serve(options: argparse.Namespace) -> int:
    """Serve MCP over stdio until the host closes the pipe, or over HTTP until a signal."""
    # mcp takes half a second to import; the other commands do not need it
    from atelier.server.mcp.server import build_server
    from atelier.server.observability import logs
    from atelier.server.observability.tracing import start_tracing

    logs.configure()
    if not options.http and sys.stdin.isatty():
        say(
            "Serving MCP on stdio for a host; Ctrl-C ends it. Try: atelier generate PROMPT",
            sys.stderr,
        )
    settings = Settings.load(logs.log.warning)
    logs.set_level(settings.log_level or ("info" if options.http else "warning"))
    flush = start_tracing(prompts=settings.otel_prompts)
    try:
        if options.http:
            from atelier.server.http.app import served

            return anyio.run(
                served, settings, options.host or DEFAULT_HOST, DEFAULT_PORT if options.port is None else options.port
            )
        server = build_server(settings)
        served = partial(
            until_idle,
            unwritten=lambda: server.unwritten_answers,
            finished=server.finished.wait,
            before_exit=flush,
        )
        return anyio.run(served, server.run_stdio_async, lambda: server.busy)
    finally:
        flush()


def generate(options: argparse.Namespace) -> int:
    """Make pictures from a prompt, store them, and print where they are."""
    params = parameters_of(generate_image.TOOL, _arguments(options, generate_image.TOOL))

    async def request_of(service: ImageService, styles: StyleLibrary) -> ImageRequest:
        return await generate_image.request_of(params, await styles.find(params.style), styles, service.pipeline)

    return anyio.run(run_image_call, params, request_of, (), options)


def edit(options: argparse.Namespace) -> int:
    """Edit a picture, store the new one, and print where it is."""
    given, folders = locate_files(_arguments(options, edit_image.TOOL))
    params = parameters_of(edit_image.TOOL, given)

    async def request_of(service: ImageService, styles: StyleLibrary) -> ImageRequest:
        return await edit_image.request_of(params, await styles.find(params.style), styles, service.pipeline)

    return anyio.run(run_image_call, params, request_of, folders, options)


def cost(options: argparse.Namespace) -> int:
    """Print what a picture would cost, without making it."""
    say(anyio.run(estimate, _arguments(options, estimate_cost.TOOL), options.json))
    return 0


def _arguments(options: argparse.Namespace, tool: Tool[Any]) -> dict[str, Any]:
    names = tool.parameters.model_fields
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def declare_serve(commands: Subcommands) -> None:
    """`atelier serve`"""
    parser = commands.add_parser("serve", help="serve MCP over stdio, as hosts do; the default command")
    add_http_options(parser, default=argparse.SUPPRESS)  # or the default would override options before the command
    parser.set_defaults(run=serve)


def add_http_options(parser: argparse.ArgumentParser, default: object) -> None:
    """Add the options of the HTTP server."""
    parser.add_argument("--http", action="store_true", default=default, help="serve MCP and plain routes over HTTP")
    parser.add_argument("--host", default=default, help=f"the address to listen on; {DEFAULT_HOST} by default")
    parser.add_argument("--port", type=_port, default=default, help=f"0 chooses a free one; {DEFAULT_PORT} by default")


def check_http(options: argparse.Namespace) -> str | None:
    """Return what is wrong with the HTTP options, or None."""
    given = [name for name in ("http", "host", "port") if getattr(options, name) not in (None, False)]
    if given and options.run is not serve:
        return f"--{given[0]} belongs to serve"
    return f"--{given[0]} needs --http" if given and not options.http else None


def _port(word: str) -> int:
    if not word.isdecimal() or int(word) > 65_535:
        raise argparse.ArgumentTypeError(f"{sanitize(word, 20)} is not a port; use a number from 0 to 65535")
    return int(word)


def declare_generate(commands: Subcommands) -> None:
    """`atelier generate PROMPT`"""
    _add_image_options(_declare(commands, "generate", generate, generate_image.TOOL, ("prompt",)))


def declare_edit(commands: Subcommands) -> None:
    """`atelier edit IMAGE [PROMPT]`"""
    _add_image_options(_declare(commands, "edit", edit, edit_image.TOOL, ("image", "prompt")))


def declare_cost(commands: Subcommands) -> None:
    """`atelier cost [PROMPT]`"""
    _declare(commands, "cost", cost, estimate_cost.TOOL, ("prompt",))


def _declare(commands: Subcommands, name: str, run: Run, tool: Tool[Any], positional: tuple[str, ...]) -> Any:
    """Add a command with an option for each parameter of a tool; those of `positional` are positional arguments.

    The tool validates the values.
    """
    parser = commands.add_parser(name, help=(run.__doc__ or "").split(",")[0].lower(), description=run.__doc__)
    for field, info in tool.parameters.model_fields.items():
        words = str(info.description or "").replace("%", "%%")
        if field in positional:
            parser.add_argument(field, help=words, nargs=None if info.is_required() else "?")
        elif field in METAVARS:
            parser.add_argument(f"--{field}", nargs="+", action="extend", metavar=METAVARS[field], help=words)
        elif info.annotation is bool and field not in NOT_OPTIONS:
            parser.add_argument(
                f"--{field.replace('_', '-')}", dest=field, action="store_true", default=None, help=words
            )
        elif field not in NOT_OPTIONS:
            parser.add_argument(f"--{field.replace('_', '-')}", dest=field, metavar="VALUE", help=words)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.set_defaults(run=run)
    return parser


def _add_image_options(parser: Any) -> None:
    """Add --output and --overwrite, and --idempotency-key for scripts that may run twice."""
    words = "also write the image to this file or folder"
    parser.add_argument("--output", metavar="PATH", dest="output_path", help=words)
    words = "let --output replace a file that exists"
    parser.add_argument("--overwrite", action="store_const", const="overwrite", dest="deliver", help=words)
    words = "the same key within a day is the same call: its result is returned again and not paid for again"
    parser.add_argument("--idempotency-key", metavar="KEY", action="append", default=[], help=words)


COMMANDS: tuple[Callable[[Subcommands], None], ...] = (
    declare_serve,
    declare_generate,
    declare_edit,
    declare_cost,
    spend_command.declare,
    jobs_command.declare,
    show_command.declare,
    models_command.declare,
    flush_command.declare,
    studio_command.declare,
)
"""Every subcommand, in the order of the help."""
