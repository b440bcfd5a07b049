"""Answer a host's first requests before the MCP SDK is imported, which takes longer than some hosts wait.

`initialize`, `server/discover`, `tools/list` and `ping` have the same answer each time the same server starts with the
same settings. So a server records the answers of the SDK, and the next start replays them, byte for byte, in a thread,
while the SDK is imported. Every line also goes to the SDK, which answers whatever was not answered; what was is dropped
by `MessageWriter`. Imports the standard library, and nothing of ours that takes time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

from atelier.providers.catalog.strengths import STRENGTHS

METHODS = ("initialize", "server/discover", "tools/list", "ping")

VARYING = ("clientInfo", "io.modelcontextprotocol/clientInfo", "progressToken", "traceparent", "tracestate", "baggage")
"""Parameters, also in `_meta`, on which no answer depends."""

APP = "atelier"
FILE = "early-answers.json"
MAX_RECORDED = 40  # answers in the file: a few for each host and protocol version


class Questions:
    """The texts of a session's requests by which answers are recorded, equal for requests with the same answer.

    What `initialize` declares is a part of those after it: tools are described by what the host can show.
    """

    def __init__(self) -> None:
        self._declared: Any = None

    def of(self, request: dict[str, Any]) -> str:
        """Return the text of a request; they are given in their order."""
        params = _without_varying(request.get("params", {}))
        if request["method"] == "initialize" and isinstance(params, dict):
            self._declared = cast("dict[str, Any]", params).get("capabilities")
            return json.dumps([request["method"], params], sort_keys=True)
        return json.dumps([request["method"], params, self._declared], sort_keys=True)


class EarlyAnswers:
    """The thread that reads stdin, and the answers it has given.

    lines     every line of the host, for the SDK; empty at the end of the input
    answered  the ids of answered requests, as JSON
    """

    def __init__(self, stdin: int, stdout: int, recorded: dict[str, str]) -> None:
        self.lines = SimpleQueue[str]()
        self.answered = set[str]()
        self._stdin = stdin
        self._stdout = stdout
        self._recorded = recorded
        self._questions = Questions()
        self._lock = threading.Lock()
        self._handed_over = False

    def start(self) -> None:
        """Start to read and answer."""
        threading.Thread(target=self._read, name="atelier-stdin", daemon=True).start()

    def hand_over(self) -> None:
        """Answer no further line: from now on the SDK writes."""
        with self._lock:
            self._handed_over = True

    def _read(self) -> None:
        with os.fdopen(self._stdin, encoding="utf-8", errors="replace", newline="\n") as stdin:
            for line in iter(stdin.readline, ""):
                with self._lock:
                    if not self._handed_over:
                        self._answer(line)
                self.lines.put(line)
        self.lines.put("")

    def _answer(self, line: str) -> None:
        """Answer a request that is recorded. After any other one the SDK answers, so that the order stays."""
        request = _request(line)
        if request is None:
            return
        result = self._recorded.get(self._questions.of(request))
        if result is None:
            self._handed_over = True
            return
        id = json.dumps(request["id"])
        data = f'{{"jsonrpc":"2.0","id":{id},"result":{result}}}\n'.encode()
        self.answered.add(id)
        with suppress(OSError):  # the SDK's writer notices a host that has gone
            while data:
                data = data[os.write(self._stdout, data) :]


class AnswerRecorder:
    """Records the SDK's answers to METHODS for the next start. A failure to store them is not reported."""

    def __init__(self) -> None:
        self._state = fingerprint()
        self._recorded = load(self._state)
        self._questions = Questions()
        self.requested = dict[str, str]()  # the requests whose answers are to be recorded, by id

    def request(self, message: str) -> None:
        """Take note of a request of the host, if it is for one of METHODS."""
        request = _request(message) if len(self._recorded) < MAX_RECORDED else None
        if request and request["method"] in METHODS and (question := self._questions.of(request)) not in self._recorded:
            self.requested[json.dumps(request["id"])] = question

    def answer(self, line: str) -> None:
        """Record the answer to a request that was noted, before it is written: a host may end the process after it."""
        for id, request in list(self.requested.items()):
            prefix = f'{{"jsonrpc":"2.0","id":{id},"result":'
            if line.startswith(prefix):
                del self.requested[id]
                self._recorded[request] = line.rstrip("\n")[len(prefix) : -1]
                self._store()

    def _store(self) -> None:
        file = _file()
        part = file.with_suffix(f".{os.getpid()}.part")
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.write_text(json.dumps({"state": self._state, "answers": self._recorded}), encoding="utf-8")
            part.replace(file)


_started: EarlyAnswers | None = None


def start() -> None:
    """Answer on stdin and stdout from now on, if an earlier start has recorded answers."""
    global _started
    if recorded := load():
        _started = EarlyAnswers(os.dup(0), os.dup(1), recorded)
        _started.start()


def started() -> EarlyAnswers | None:
    """Return what `start` has started."""
    return _started


def load(state: str | None = None) -> dict[str, str]:
    """Return the recorded answers by their question; none of another version, and none with other settings."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
        return dict(found["answers"]) if found["state"] == (state or fingerprint()) else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def fingerprint() -> str:
    """Return a hash of all that answers depend on: the code of Atelier and of the SDK, and the settings."""
    digest = hashlib.sha256(sys.version.encode())
    for part in (*_code(), *_settings()):
        digest.update(part.encode(errors="surrogatepass") + b"\0")
    return digest.hexdigest()


def _request(line: str) -> dict[str, Any] | None:
    """Return a request with an id; None for any other line."""
    try:
        found = cast("dict[str, Any]", json.loads(line))
    except ValueError:
        return None
    if not isinstance(found, dict) or "method" not in found:  # pyright: ignore[reportUnnecessaryIsInstance]
        return None
    id = found.get("id")
    return found if isinstance(id, int | str) and not isinstance(id, bool) else None


def _without_varying(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    given = cast("dict[str, Any]", value)
    return {name: _without_varying(each) for name, each in given.items() if name not in VARYING}


def _code() -> Iterable[str]:
    """Yield the files of Atelier with their times, and the version of the SDK."""
    for path in _files(Path(__file__).parents[2]):
        found = path.stat()
        yield f"{path} {found.st_mtime_ns} {found.st_size}"
    spec = find_spec("mcp")
    origin = Path(spec.origin) if spec and spec.origin else None
    yield f"{origin} {origin.stat().st_mtime_ns if origin else ''}"


def _files(folder: Path) -> Generator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _files(Path(entry.path))
        elif entry.name.endswith((".py", ".json")):
            yield Path(entry.path)


def _settings() -> Iterable[str]:
    """Yield the variables of Atelier, which vendors' keys are set, and the files that can set both."""
    yield from sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("ATELIER_"))
    keys = [name + file for each in STRENGTHS for name in each.keys for file in ("", "_FILE")]
    yield from (name for name in keys if os.environ.get(name, "").strip())  # the instructions name their vendors
    for file in (Path(".env"), Path(os.environ.get("ATELIER_CONFIG") or _folder("config") / "config.toml")):
        with suppress(OSError):
            yield f"{file.absolute()} {file.stat().st_mtime_ns} {file.stat().st_size}"


def _file() -> Path:
    state = os.environ.get("ATELIER_STATE_DIR", "").strip()
    return (Path(state).expanduser() if state else _folder("cache")) / FILE


def _folder(kind: str) -> Path:
    import platformdirs  # two milliseconds

    return (platformdirs.user_config_path if kind == "config" else platformdirs.user_cache_path)(APP, appauthor=False)
