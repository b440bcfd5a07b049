"""The subcommands. Their options are the tools' parameters, so that one description serves both."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import anyio

from atelier.providers.core.types import ImageRequest
from atelier.server.assembly import pipeline_of, storage_of
from atelier.server.settings import Settings, unknown_variables
from atelier.tools import generate_image
from atelier.tools.arguments import parameters_of
from atelier.tools.drawn import size_of, told, usd

Subcommands = Any  # argparse keeps the type of its subparsers to itself


def serve(options: argparse.Namespace) -> int:
    """MCP over stdio, until the host closes the pipe."""
    from atelier.server import logs
    from atelier.server.app import (
        build_server,
    )  # mcp takes half a second to import; other commands go without

    logs.configure()
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
        line = ProgressLine()
        try:
            result = await pipeline.run(request, tell=line.tell)
        finally:
            line.close()
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


class ProgressLine:
    """How far it is, on stderr: one line that changes in place in a terminal, one line a word elsewhere."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._live = sys.stderr.isatty()

    async def tell(self, message: str) -> None:
        """Show a word of progress."""
        text = f"… {message} ({time.monotonic() - self._began:.0f} s)"
        sys.stderr.write(f"\r\033[K{text}" if self._live else f"{text}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Leave a terminal's line empty."""
        if self._live:
            sys.stderr.write("\r\033[K")


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
