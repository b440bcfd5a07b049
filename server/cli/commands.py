"""The subcommands. Their options are the tools' parameters, so that one description serves both."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from atelier.providers.core.errors import sanitize
from atelier.providers.core.types import ImageRequest, ImageResult
from atelier.providers.jobs.service import ImageService
from atelier.server.cli import flush, jobs, models, show, spend
from atelier.server.cli.cost import estimated, located
from atelier.server.cli.output import CLEAR, progress_line, say
from atelier.server.cli.startup_notice import announce
from atelier.server.composition import pipeline_of, storage_of
from atelier.server.idempotency import key_of
from atelier.server.mcp.progress import progress
from atelier.server.settings import Settings
from atelier.server.shutdown import interruptible, until_idle
from atelier.tools import edit_image, estimate_cost, generate_image
from atelier.tools.image_call import ImageParameters, fallback_of
from atelier.tools.parameters.arguments import parameters_of
from atelier.tools.tool import Tool

LISTS = {"images": "IMAGE", "options": "NAME=VALUE", "fallback": "MODEL"}
"""Parameters that take several words, and what one of them is."""

ENDING = (
    "Ending. What was sent is seen through and stored, and the same command collects it; Ctrl-C again ends at once."
)

HOST, PORT = "127.0.0.1", 8000

Run = Callable[[argparse.Namespace], int]

HIDDEN = ("save",)
"""Parameters of a tool that are no option: a picture that no one keeps is of no use here."""

Subcommands = Any  # argparse keeps the type of its subparsers to itself


def serve(options: argparse.Namespace) -> int:
    """MCP over stdio until the host closes the pipe, or over HTTP until a signal comes."""
    # mcp takes half a second to import, and the other commands go without
    from atelier.server import logs
    from atelier.server.mcp.server import build_server

    logs.configure()
    if not options.http and sys.stdin.isatty():
        say(
            "Serving MCP on stdio, which is for a host to talk to; Ctrl-C ends it. Try: atelier generate PROMPT",
            sys.stderr,
        )
    settings = Settings.load(logs.log.warning)
    logs.set_level(settings.log_level or ("info" if options.http else "warning"))
    if options.http:
        from atelier.server.http.app import served

        return anyio.run(served, settings, options.host or HOST, PORT if options.port is None else options.port)
    server = build_server(settings)
    served = partial(until_idle, on_the_way=lambda: server.unwritten_answers, over=server.finished.wait)
    return anyio.run(served, server.run_stdio_async, lambda: server.busy)


def generate(options: argparse.Namespace) -> int:
    """Make pictures from words, store them, and say where they are."""
    asked = parameters_of(generate_image.TOOL, _given(options, generate_image.TOOL))

    async def request_of(service: ImageService) -> ImageRequest:
        return generate_image.request_of(asked)

    return anyio.run(_draw, asked, request_of, (), options)


def edit(options: argparse.Namespace) -> int:
    """Change a picture, store the changed one, and say where it is."""
    given, folders = located(_given(options, edit_image.TOOL))
    asked = parameters_of(edit_image.TOOL, given)

    async def request_of(service: ImageService) -> ImageRequest:
        return await edit_image.request_of(asked, service.pipeline.sources.read)

    return anyio.run(_draw, asked, request_of, folders, options)


def cost(options: argparse.Namespace) -> int:
    """Tell what a picture would cost, without making it."""
    say(anyio.run(estimated, _given(options, estimate_cost.TOOL), options.json))
    return 0


def _given(options: argparse.Namespace, tool: Tool[Any]) -> dict[str, Any]:
    names = tool.parameters.model_fields
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


async def _draw(
    asked: ImageParameters,
    request_of: Callable[[ImageService], Awaitable[ImageRequest]],
    folders: tuple[Path, ...],
    options: argparse.Namespace,
) -> int:
    settings = Settings.load(lambda sentence: say(sentence, sys.stderr))
    draw = partial(_drawn, asked, request_of, folders, options, settings)
    return await interruptible(draw, lambda: say(ENDING, sys.stderr))


async def _drawn(
    asked: ImageParameters,
    request_of: Callable[[ImageService], Awaitable[ImageRequest]],
    folders: tuple[Path, ...],
    options: argparse.Namespace,
    settings: Settings,
) -> int:
    key = key_of(options.idempotency_key, "--idempotency-key")
    pipeline = pipeline_of(settings, storage_of(settings), folders=folders)
    async with ImageService(pipeline, wait=None, fallback=settings.fallback) as service:
        request = await request_of(service)
        notice = pipeline.catalog.resolve(request.model, request.operation, request.origin).notice
        if notice and not options.json:
            say(notice)  # the first line, before any work
        confirm = _yes if asked.confirm_cost else _asked if sys.stdin.isatty() and sys.stderr.isatty() else None
        async with progress(progress_line, interval=1 if sys.stderr.isatty() else 10) as on_progress:
            result = await service.submit(
                request,
                caller=settings.customer_id,
                fallback=fallback_of(asked),
                key=key,
                on_progress=on_progress,
                confirm=confirm,
            )
        if sys.stderr.isatty():
            sys.stderr.write(CLEAR)
        assert isinstance(result, ImageResult), "without a limit it is waited for"
        announce(result, as_json=options.json)
        service.mark_delivered(result.id)
    return 0 if all(kept.stored for kept in result.images) else 1


async def _yes(question: str) -> bool:
    """The person said so with --confirm-cost."""
    return True


async def _asked(question: str) -> bool:
    """Ask the person at the terminal."""
    sys.stderr.write(f"{CLEAR}{question} [y/N] ")
    sys.stderr.flush()
    return (await anyio.to_thread.run_sync(sys.stdin.readline)).strip().lower() in ("y", "yes")


def declare_serve(commands: Subcommands) -> None:
    """`atelier serve`"""
    parser = commands.add_parser("serve", help="serve MCP over stdio: what hosts start, and what no command means")
    with_http(parser, default=argparse.SUPPRESS)  # or what stands before the word would be forgotten
    parser.set_defaults(run=serve)


def with_http(parser: argparse.ArgumentParser, default: object) -> None:
    """The options of a server that is reached over the network."""
    parser.add_argument("--http", action="store_true", default=default, help="serve MCP and plain routes over HTTP")
    parser.add_argument("--host", default=default, help=f"the address to listen on; {HOST} unless told")
    parser.add_argument("--port", type=_port, default=default, help=f"0 is any that is free; {PORT} unless told")


def check_http(options: argparse.Namespace) -> str | None:
    """What is wrong with where these options stand."""
    given = [name for name in ("http", "host", "port") if getattr(options, name) not in (None, False)]
    if given and options.run is not serve:
        return f"--{given[0]} belongs to serve"
    return f"--{given[0]} needs --http" if given and not options.http else None


def _port(word: str) -> int:
    if not word.isdecimal() or int(word) > 65_535:
        raise argparse.ArgumentTypeError(f"{sanitize(word, 20)} is no port; it should be a number from 0 to 65535")
    return int(word)


def declare_generate(commands: Subcommands) -> None:
    """`atelier generate PROMPT`"""
    _with_key(_declare(commands, "generate", generate, generate_image.TOOL, ("prompt",)))


def declare_edit(commands: Subcommands) -> None:
    """`atelier edit IMAGE [PROMPT]`"""
    _with_key(_declare(commands, "edit", edit, edit_image.TOOL, ("image", "prompt")))


def declare_cost(commands: Subcommands) -> None:
    """`atelier cost [PROMPT]`"""
    _declare(commands, "cost", cost, estimate_cost.TOOL, ("prompt",))


def _declare(commands: Subcommands, name: str, run: Run, tool: Tool[Any], places: tuple[str, ...]) -> Any:
    """A command with one option for each parameter of a tool; those of `places` stand without a name.

    Values are checked by the tool.
    """
    parser = commands.add_parser(name, help=(run.__doc__ or "").split(",")[0].lower(), description=run.__doc__)
    for field, info in tool.parameters.model_fields.items():
        words = str(info.description or "").replace("%", "%%")
        if field in places:
            parser.add_argument(field, help=words, nargs=None if info.is_required() else "?")
        elif field in LISTS:
            parser.add_argument(f"--{field}", nargs="+", action="extend", metavar=LISTS[field], help=words)
        elif info.annotation is bool and field not in HIDDEN:
            parser.add_argument(
                f"--{field.replace('_', '-')}", dest=field, action="store_true", default=None, help=words
            )
        elif field not in HIDDEN:
            parser.add_argument(f"--{field.replace('_', '-')}", dest=field, metavar="VALUE", help=words)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.set_defaults(run=run)
    return parser


def _with_key(parser: Any) -> None:
    """For scripts that may run twice."""
    words = "the same key within a day is the same call: its result is told again and not paid for again"
    parser.add_argument("--idempotency-key", metavar="KEY", action="append", default=[], help=words)


COMMANDS: tuple[Callable[[Subcommands], None], ...] = (
    declare_serve,
    declare_generate,
    declare_edit,
    declare_cost,
    spend.declare,
    jobs.declare,
    show.declare,
    models.declare,
    flush.declare,
)
"""Every subcommand, in the order of the help."""
