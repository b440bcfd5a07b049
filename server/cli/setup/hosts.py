"""The chat programs and agents that `atelier init` knows: their configuration file, and our entry in it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atelier.server.cli.setup.host_files import Format, Table, as_table

TIMEOUT = 300  # seconds for a call; an image may take minutes
START_TIMEOUT = 60  # seconds

OPENCODE_1 = ("mcp",)
"""Where version 1 of OpenCode has its servers."""

Entry = Callable[[list[str], Mapping[str, str]], Table]
"""Makes the entry from the command that starts Atelier, and the variables it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host. `file` is its configuration file below the home folder, without one it is set up by hand.

    `place` are the keys that lead to the servers. `programs` are commands, and `folders` below the home folder, by
    which it is recognised. `note` is a sentence for the person.
    """

    name: str
    title: str
    entry: Entry
    file: Callable[[], Path] | None = None
    format: Format = "json"
    place: tuple[str, ...] = ("mcpServers",)
    programs: tuple[str, ...] = ()
    note: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether its configuration folder or its command is there."""
        return any(map(shutil.which, self.programs)) or bool(self.file and self.file().parent.is_dir() and self._own())

    def _own(self) -> bool:
        """Whether the folder of the file is the host's own, and not the home folder."""
        assert self.file is not None
        return self.file().parent != Path.home() or self.file().is_file()

    def place_in(self, found: Table) -> tuple[str, ...]:
        """Return where the servers are in a file that exists: OpenCode moved them in its version 2."""
        mcp = as_table(found.get("mcp"))
        if self.name == "opencode" and mcp and not mcp.keys() & {"servers", "timeout"}:
            return OPENCODE_1
        return self.place

    def entry_at(self, place: tuple[str, ...], command: list[str], environ: Mapping[str, str]) -> Table:
        """Return our entry for a place in its file: version 1 of OpenCode takes one time limit, later ones several."""
        limit = {"timeout": TIMEOUT * 1000} if place == OPENCODE_1 else {}
        return {**self.entry(command, environ), **limit}


def _app_data(*parts: str) -> Path:
    """Return a path in the folder of desktop programs."""
    if sys.platform == "darwin":
        base = Path.home() / "Library/Application Support"
    elif sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData/Roaming")
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base.joinpath(*parts)


def _config(*parts: str) -> Path:
    """Return a path in the folder of command-line programs, which macOS has below the home folder as well."""
    if sys.platform == "win32":
        return _app_data(*parts)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config").joinpath(*parts)


def _plain(**more: Any) -> Entry:
    def entry(command: list[str], environ: Mapping[str, str]) -> Table:
        env = {"env": dict(environ)} if environ else {}
        return {"command": command[0], "args": command[1:], **env, **more}

    return entry


def _typed(command: list[str], environ: Mapping[str, str]) -> Table:
    return {"type": "stdio", **_plain()(command, environ)}


def _codex(command: list[str], environ: Mapping[str, str]) -> Table:
    """Codex drops images beside a structured part, and without `required` its first turn does not wait."""
    return {
        "command": command[0],
        "args": command[1:],
        "startup_timeout_sec": START_TIMEOUT,
        "tool_timeout_sec": TIMEOUT,
        "required": True,
        "default_tools_approval_mode": "approve",
        "env": {**environ, "ATELIER_STRUCTURED_CONTENT": "off"},
    }


def _opencode(command: list[str], environ: Mapping[str, str]) -> Table:
    return {"type": "local", "command": command, **({"environment": dict(environ)} if environ else {}),
            "timeout": {"startup": START_TIMEOUT * 1000}}  # fmt: skip


def _goose(command: list[str], environ: Mapping[str, str]) -> Table:
    return {"type": "stdio", "enabled": True, "name": "atelier", "cmd": command[0], "args": command[1:],
            "envs": dict(environ), "timeout": TIMEOUT}  # fmt: skip


def _over_http(command: list[str], environ: Mapping[str, str]) -> Table:
    return {
        "type": "streamable-http",
        "url": "http://127.0.0.1:8000/mcp",
        "headers": {"Authorization": "Bearer TOKEN"},  # the service refuses a call without one
        "timeout": TIMEOUT * 1000,
    }


SERVICE = (
    "Start the service for it with ATELIER_JWT_SECRET, by which tokens are signed: atelier serve --http. "
    "docs/service.md has the commands for both."
)
RESTART = "Restart it, then ask for an image."

HOSTS = (
    Host(
        name="claude-desktop", title="Claude Desktop", entry=_plain(), note=RESTART,
        file=lambda: _app_data("Claude", "claude_desktop_config.json"),
    ),
    Host(
        name="claude-code", title="Claude Code", entry=_typed, file=lambda: Path.home() / ".claude.json",
        programs=("claude",), note="`claude mcp add --scope user atelier -- atelier serve` does the same.",
    ),
    Host(
        name="vscode", title="VS Code", entry=_typed, place=("servers",), programs=("code",),
        file=lambda: _app_data("Code", "User", "mcp.json"), note="Start it with “MCP: List Servers”.",
    ),
    Host(
        name="cursor", title="Cursor", entry=_plain(), file=lambda: Path.home() / ".cursor/mcp.json",
        programs=("cursor",), note=RESTART,
    ),
    Host(
        name="windsurf", title="Windsurf", entry=_plain(), programs=("windsurf",), note=RESTART,
        file=lambda: Path.home() / ".codeium/windsurf/mcp_config.json",
    ),
    Host(
        name="zed", title="Zed", entry=_plain(), place=("context_servers",), programs=("zed", "zeditor"),
        file=lambda: _config("zed", "settings.json"), note="It shows its model text only, no images.",
    ),
    Host(
        name="codex", title="Codex", entry=_codex, format="toml", place=("mcp_servers",), programs=("codex",),
        file=lambda: Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex") / "config.toml",
        note="It runs the tools without asking; take out default_tools_approval_mode to be asked.",
    ),
    Host(
        name="gemini-cli", title="Gemini CLI", entry=_plain(timeout=TIMEOUT * 1000), programs=("gemini",),
        file=lambda: Path.home() / ".gemini/settings.json",
    ),
    Host(
        name="opencode", title="OpenCode", entry=_opencode, place=("mcp", "servers"), programs=("opencode",),
        file=lambda: _config("opencode", "opencode.json"),
        note="Version 1 of OpenCode has the servers directly below mcp.",
    ),
    Host(
        name="goose", title="Goose", entry=_goose, format="yaml", place=("extensions",), programs=("goose",),
        file=lambda: _app_data("Block", "goose", "config", "config.yaml") if sys.platform == "win32"
        else _config("goose", "config.yaml"),
    ),
    Host(
        name="librechat", title="LibreChat", entry=_over_http, format="yaml",
        note=f"Put it into librechat.yaml, with a token of yours for TOKEN. {SERVICE}",
    ),
    Host(
        name="open-webui", title="Open WebUI", entry=_over_http,
        note="It has no file: under Admin Settings, External Tools, add a server of the type MCP (Streamable HTTP) "
        f"with this address and, as its Bearer key, a token of yours. {SERVICE}",
    ),
    Host(
        name="cline", title="Cline", entry=_plain(timeout=TIMEOUT),
        file=lambda: _app_data("Code", "User", "globalStorage", "saoudrizwan.claude-dev", "settings",
                               "cline_mcp_settings.json"),
    ),
    Host(
        name="lm-studio", title="LM Studio", entry=_plain(timeout=TIMEOUT * 1000), programs=("lms",),
        file=lambda: Path.home() / ".lmstudio/mcp.json",
    ),
)  # fmt: skip
"""Every host, in the order of the list."""


def start_command() -> list[str]:
    """Return the command by which a host starts this Atelier, with its full path: a desktop program has another PATH.

    One that uvx runs lives in a folder that uv may clean up, so uvx starts it again.
    """
    script = Path(sys.prefix) / ("Scripts" if sys.platform == "win32" else "bin") / "atelier"
    if ".cache/uv" in script.as_posix() or "uv/cache" in script.as_posix() or "archive-v" in script.as_posix():
        return [shutil.which("uvx") or "uvx", "--from", "atelier-mcp", "atelier", "serve"]
    if (found := shutil.which(str(script))) is not None:
        return [found, "serve"]
    return [sys.executable, "-m", "atelier.server", "serve"]
