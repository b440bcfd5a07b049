"""The subcommands. Their options are the tools' parameters, so that one description serves both."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from typing import Any

import anyio

from atelier.providers.core.types import ImageRequest
from atelier.server.assembly import pipeline_of, storage_of
from atelier.server.progress import progress
from atelier.server.settings import Settings, unknown_variables
from atelier.tools import generate_image
from atelier.tools.arguments import parameters_of
from atelier.tools.drawn import size_of, told, usd

CLEAR = "\r\033[K"  # back to the start of a terminal's line, and empty it

Subcommands = Any  # argparse keeps the type of its subparsers to itself


def serve(options: argparse.Namespace) -> int:
    """MCP over stdio, until the host closes the pipe."""
    from atelier.server import logs
    from atelier.server.app import (
        build_server,
    )  # mcp takes half a second to import; other commands go without

    logs.configure()
    if sys.stdin.isatty():
        _say(
            "Serving MCP on stdio, which is for a host to talk to; Ctrl-C ends it. Try: atelier generate PROMPT",
            sys.stderr,
        )
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the thread that reads stdin would hold up an orderly end
    for sentence in unknown_variables():
        logs.log.warning(sentence)
    build_server(Settings.from_environ()).run()
    return 0


def generate(options: argparse.Namespace) -> int:
    """Make pictures, store them, and say where they are."""
    names = generate_image.TOOL.parameters.model_fields
    given = {name: value for name in names if (value := getattr(options, name, None)) is not None}
    asked = parameters_of(generate_image.TOOL, given)
    return anyio.run(_generate, generate_image.request_of(asked), options.json)


async def _generate(request: ImageRequest, as_json: bool) -> int:
    settings = Settings.from_environ()
    for sentence in unknown_variables():
        _say(sentence, sys.stderr)
    async with pipeline_of(settings, storage_of(settings)) as pipeline:
        notice = pipeline.admit(request).choice.notice
        if notice and not as_json:
            _say(notice)  # the first line, before any work
        async with progress(_show, every=1 if sys.stderr.isatty() else 10) as tell:
            result = await pipeline.run(request, tell=tell)
        if sys.stderr.isatty():
            sys.stderr.write(CLEAR)
    if as_json:
        _say(json.dumps(told(result).data.model_dump(mode="json", exclude_none=True), ensure_ascii=False))
        return 0
    for warning in result.warnings:
        _say(f"Note: {warning}", sys.stderr)
    for kept in result.images:
        _say(str(kept.stored.path if kept.stored else "not stored"))
    sizes = {f"{k.picture.width}x{k.picture.height} {k.format}, {size_of(len(k.image_bytes))}" for k in result.images}
    cost = f", {usd(result.actual_usd)}" if result.actual_usd is not None else ""
    _say(f"{result.provider}/{result.model}: {'; '.join(sorted(sizes))}{cost}")
    return 0 if all(kept.stored for kept in result.images) else 1


async def _show(message: str, seconds: float) -> None:
    """One line that changes in place in a terminal, one line a word elsewhere."""
    text = f"… {message} ({seconds:.0f} s)"
    sys.stderr.write(f"{CLEAR}{text}" if sys.stderr.isatty() else f"{text}\n")
    sys.stderr.flush()


def _say(text: str, stream: Any = None) -> None:
    print(text, file=stream or sys.stdout, flush=True)


def declare_serve(commands: Subcommands) -> None:
    """`atelier serve`"""
    parser = commands.add_parser("serve", help="serve MCP over stdio: what hosts start, and what no command means")
    parser.set_defaults(run=serve)


def declare_generate(commands: Subcommands) -> None:
    """`atelier generate`"""
    parser = commands.add_parser("generate", help="make pictures from words", description=generate.__doc__)
    _add_parameters(parser, generate_image.TOOL.parameters.model_fields)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.set_defaults(run=generate)


def _add_parameters(parser: argparse.ArgumentParser, parameters: Any) -> None:
    """One option for each parameter of a tool; the prompt stands without a name. Values are checked by the tool."""
    for name, field in parameters.items():
        words = str(field.description or "").replace("%", "%%")
        if name == "prompt":
            parser.add_argument(name, help=words)
        elif name != "save":  # a picture that no one keeps is of no use on a command line
            parser.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="VALUE", help=words)


COMMANDS: tuple[Callable[[Subcommands], None], ...] = (declare_serve, declare_generate)
"""Every subcommand, in the order of the help."""
