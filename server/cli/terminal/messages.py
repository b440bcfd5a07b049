"""Reword error messages for a person at a terminal, and end a command with its exit code."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.cli.terminal.output import UnwritableStreamError, UsageError
from atelier.server.observability.logs import log
from atelier.server.shutdown import EndedError

REFUSED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
"""Exit codes; 0 is done."""

PHRASES = (
    (
        r"\bSet ([A-Z0-9_]+) for a real image, or [^.]+\.",
        r"For a real one set \1, or another vendor's key (`atelier models` lists them); `atelier keys set` stores one.",
    ),
    (
        r"\bSet ([A-Z0-9_]+(?:(?:, | or )[A-Z0-9_]+)*) where the server is started",
        r"Set \1 (`atelier keys set` stores a key)",
    ),
    (
        r"\bThis \((“[^”]*”)\) does not name an image\. Give an asset id, .* data: URI\.",
        r"There is no file or image \1. Give the path of a file, an id of `atelier list`, “last” or an https address.",
    ),
    (
        r"\bThere is no image yet that “last” could mean\. Give an asset id, .* data: URI\.",
        "There is no image yet. Give the path of a file, or make one: atelier generate PROMPT",
    ),
    (r"\bSet the key of a vendor that can\.", "Store the key of one that can; `atelier models --all` lists them."),
    (r"\bThe tool \w+ has no argument\b", "There is no parameter"),
    (r"\bthe tool \w+ has no argument\b", "there is no parameter"),
    (r"\bsize and aspect_ratio were both given\b", "--size and --aspect-ratio were both given"),
    (r"\bGive size alone, or aspect_ratio with resolution\b", "Give --size alone, or --aspect-ratio with --resolution"),
    (r"\bOffer something cheaper: ", "For something cheaper: "),
    (r"; show the user the path or link\.", "."),
    (r"Ask the user; when they agree, call again with confirm_cost=true\.", "Run it again with --confirm-cost."),
    (r"\bthe user must confirm\b", "you must confirm"),
    (r"\bthe user declined\b", "you declined"),
    (r"\bestimate_cost with compare=true\b", "`atelier cost PROMPT --compare`"),
    (r"\bThe same call, or get_image with \w+, collects\b", "The same command collects"),
    (r"\bthe same call, or get_image with \w+, collects\b", "the same command collects"),
    (r"\bCall get_image with list=true\b", "Run `atelier jobs`"),
    (r"\bget_image with list=true\b", "`atelier jobs`"),
    (r"\bCall list_models\b", "Run `atelier models`"),
    (r"\blist_models\b", "`atelier models`"),
    (r"\bcall again\b", "run it again"),
    (r"\b[Tt]he same call\b", "the same command"),
)
"""Pattern in a message for an agent -> the same for the command line."""

WRONG_ARGUMENTS = (Reason.INVALID_REQUEST, Reason.UNKNOWN_MODEL)
"""Reasons of an error that the arguments of a command cause, before anything else was read."""


@contextmanager
def errors_to_exit_codes() -> Generator[None]:
    """Run a command within the block. An error is a sentence on stderr, and the process exits with its code."""
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(encoding="utf-8", errors="replace")  # a Windows console may use a narrower encoding
    log.addHandler(logging.NullHandler())  # commands print sentences; only `serve` writes log lines
    code = REFUSED
    try:
        yield
        return
    except UsageError as error:
        sys.stderr.write(f"atelier: {' '.join(str(error).split())}\n")
        code = WRONG_USAGE
    except ImageError as error:
        sys.stderr.write(f"atelier: {for_person(f'{error.message} {error.hint}'.strip())}\n")
    except UnwritableStreamError as unwritable:
        sys.stderr.write(f"atelier: {unwritable.strerror}.\n")
    except EndedError as signalled:
        code = signalled.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output closed it, as `| head` does
        pass
    sys.exit(code)


@contextmanager
def usage_errors() -> Generator[None]:
    """Raise UsageError in place of the ImageError that a check of the arguments raises in the block."""
    try:
        yield
    except ImageError as error:
        if error.reason not in WRONG_ARGUMENTS:
            raise
        raise UsageError(for_person(f"{error.message} {error.hint}".strip())) from None


def for_person(message: str) -> str:
    """Return the message with commands in place of tools, and options in place of parameters."""
    return with_flags(with_commands(message))


def with_commands(message: str) -> str:
    """Return the message with commands in place of tools. Parameters keep their names, as a file has them."""
    for pattern, command in PHRASES:
        message = re.sub(pattern, command, message)
    return message


def with_flags(text: str) -> str:
    """Return the text with `--output-format` in place of “output_format”, and of output_format without quotes."""
    from atelier.tools.parameters.tool_parameters import EditImage, GenerateImage  # other commands need none of it

    names = {*GenerateImage.model_fields, *EditImage.model_fields}
    text = re.sub(r"“([a-z_]+)”|`([a-z_]+)`|\b([a-z]+(?:_[a-z]+)+)\b", lambda found: _flag(found, names), text)
    return re.sub(r"(?<=[.] )([a-z_]+)(?=: [A-Z])", lambda found: _flag(found, names), text)


def _flag(found: re.Match[str], names: set[str]) -> str:
    name = found[found.lastindex or 0]
    if name not in names:
        return found[0]
    return {"prompt": "PROMPT", "image": "IMAGE", "output_path": "--output"}.get(name) or f"--{name.replace('_', '-')}"
