"""The commands: one record each, with the module that runs it. Imports the standard library alone."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import dataclass

from atelier.server.cli.terminal.style import bold

PACKAGE = "atelier.server.cli.signatures"
DESCRIPTION = "Images from several vendors' models: at the command line, and for AI agents over MCP."

MAKE, LOOK, ACCOUNT, SET_UP = "Make images", "Look at images", "Money and jobs", "Set up and serve"
"""The groups of the help, in its order."""

EXIT_CODES = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted."


@dataclass(frozen=True, slots=True)
class Command:
    """A command. `target` is `module:function` below this package; `examples` are command lines without `atelier`.

    `synonyms` are words that people try in place of the name; the error message suggests the name. `takes` are its
    arguments without names, as its usage shows them.
    """

    name: str
    group: str
    summary: str
    target: str
    examples: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    takes: str = ""

    @property
    def import_path(self) -> str:
        """The function for the command line's framework, which imports it when the command is used."""
        return f"{PACKAGE}.{self.target}"

    @property
    def epilogue(self) -> str:
        """The examples as they are shown below the help."""
        return "\n".join(("Examples:", *(f"  atelier {each}" for each in self.examples))) if self.examples else ""


COMMANDS = (
    Command(
        "generate", MAKE, "make images from a prompt", "making:generate",
        ('generate "a lighthouse at dusk, oil painting"', 'generate "a fox" --n 3 --output foxes/',
         'generate "a logo" --model sketch --size 512x512 --json',
         "generate --batch prompts.txt --output drafts/ --budget 2"),
        ("draw", "create", "make", "image"), takes="PROMPT",
    ),
    Command(
        "edit", MAKE, "change an image", "making:edit",
        ('edit fox.png "make it winter" --model sketch', 'edit last "add a hat" --model sketch --output hat.png'),
        ("change", "modify"), takes="IMAGE [PROMPT]",
    ),
    Command(
        "cost", MAKE, "what an image would cost, without making it", "making:cost",
        ('cost "a fox" --n 2', 'cost "a fox" --compare'), ("price", "estimate"), takes="[PROMPT]",
    ),
    Command(
        "models", MAKE, "the models that can be used now", "making:models",
        ("models", "models --all", "models --operation upscale --all"), ("vendors",),
    ),
    Command(
        "list", LOOK, "the newest images", "stored:list_images", ("list", "list --limit 5 --json"),
        ("ls", "images"),
    ),
    Command(
        "gallery", LOOK, "a page with the newest images, in a browser", "stored:gallery",
        ("gallery --limit 20 --no-open", "gallery foxes.html --no-open"), ("browse",), takes="[FILE]",
    ),
    Command(
        "show", LOOK, "how an image was made, and where it is", "stored:show",
        ("show last", "show fox.png", "show last --json"), ("info",), takes="IMAGE",
    ),
    Command(
        "rm", LOOK, "delete images for good", "stored:remove", ("rm last --yes",),
        ("delete", "remove"), takes="IMAGE...",
    ),
    Command(
        "prune", LOOK, "delete old images for good", "stored:prune",
        ("prune --older-than 30d --keep 100 --dry-run", "prune --older-than 30d --yes"), ("clean",),
    ),
    Command(
        "studio", LOOK, "see, compare, paint and make images in a browser", "serving:studio",
        ("studio --no-open",), ("ui", "open"),
    ),
    Command(
        "spend", ACCOUNT, "what was spent", "account:spend", ("spend", "spend --by vendor --since 2026-01-01"),
        ("spent", "usage", "bill"),
    ),
    Command(
        "jobs", ACCOUNT, "the jobs and their outcome", "account:jobs", ("jobs", "jobs --state failed --limit 5"),
        ("job", "history", "status"), takes="[ID]",
    ),
    Command(
        "flush", ACCOUNT, "upload images that are queued for their storage", "account:flush", ("flush",),
        ("upload", "sync"),
    ),
    Command(
        "init", SET_UP, "set up a chat program or agent to start Atelier", "setup:init",
        ("init", "init codex --json", "init claude-desktop --write --json"), ("setup", "install", "hosts"),
        takes="[HOST]",
    ),
    Command(
        "doctor", SET_UP, "check keys, folders, storage, network and hosts", "setup:doctor",
        ("doctor", "doctor --json"), ("check", "diagnose"),
    ),
    Command(
        "keys", SET_UP, "which vendors have a key; store or remove one", "setup:keys", ("keys",),
        ("key", "login"), takes="[list|set|rm] [VENDOR]",
    ),
    Command(
        "config", SET_UP, "where the settings are, and what is set", "setup:config", ("config", "config --json"),
        ("settings",),
    ),
    Command(
        "completion", SET_UP, "complete commands and options in your shell", "setup:completion",
        ("completion bash",), takes="[SHELL]",
    ),
    Command(
        "serve", SET_UP, "serve MCP to a chat program, or over HTTP", "serving:serve",
        ("serve", "serve --http --port 9017"), ("server", "start"),
    ),
)  # fmt: skip
"""Every command, in the order of the help."""


def overview() -> str:
    """Return the help that lists the commands. It is written here because it must not wait for a library's import."""
    width = min(shutil.get_terminal_size().columns, 100)
    lines = ["Usage: atelier COMMAND [OPTIONS]", "", *textwrap.wrap(DESCRIPTION, width), ""]
    for group in dict.fromkeys(command.group for command in COMMANDS):
        lines.append(bold(group))
        lines += [f"  {command.name:<12}{command.summary}" for command in COMMANDS if command.group == group]
        lines.append("")
    lines += ["Begin with `atelier keys set openai`: without a vendor's key, images are drafts."]
    lines += ["`atelier COMMAND --help` has a command's options and examples.", EXIT_CODES]
    return "\n".join(lines)
