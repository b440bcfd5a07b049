"""A plugin that fails each test in which a secret in use shows up: in a log line, an error, or a stream of a process.

The secrets are those that the tests configure: the vendors' keys, that of tokens, and those of a store and a database.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError
from atelier.providers.testing.emulators import flux, gemini, openai, stability, xai
from atelier.server.observability.logs import JsonLines
from tests.emulators import collector, s3

JWT_SECRET = "a secret that is long enough for HS256"
DATABASE_PASSWORD = "hunter2"

SECRETS = (
    *(vendor.KEY for vendor in (openai, gemini, flux, xai, stability, collector)),
    s3.ROOT[1],
    JWT_SECRET,
    DATABASE_PASSWORD,
)

SHOWN = ("message", "hint")
"""Attributes of an ImageError that callers read as text."""


def check(text: str | bytes | None, where: str) -> None:
    """Fail if the text contains a secret. The failure names the secret by its beginning."""
    found = leaked(text.decode(errors="replace") if isinstance(text, bytes) else text or "")
    assert not found, f"{where}: {found}"


def leaked(text: str) -> list[str]:
    """Return the beginnings of the secrets in a text."""
    return [f"{secret[:12]}…" for secret in SECRETS if secret in text]


class _Watch(logging.Handler):
    """Looks at every log line as the product writes it, and at what every ImageError says."""

    def __init__(self) -> None:
        super().__init__()
        self.leaks: list[str] = []
        self.facts: list[dict[str, Any]] = []
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.leaks += [f"log line “{record.msg}”: {secret}" for secret in leaked(self.format(record))]

    def see(self, error: ImageError, name: str, value: Any) -> None:
        if name in SHOWN:
            self.leaks += [f"{name} of an ImageError: {secret}" for secret in leaked(value)]
        elif name == "facts":
            self.facts.append(value)  # looked at in the end, because facts are added

    def finish(self) -> list[str]:
        for facts in self.facts:
            self.leaks += [f"facts {sorted(facts)} of an ImageError: {secret}" for secret in leaked(repr(facts))]
        return self.leaks


@contextmanager
def _watching(monkeypatch: pytest.MonkeyPatch) -> Generator[_Watch]:
    watch, root = _Watch(), logging.getLogger()
    run: Callable[..., Any] = subprocess.run
    read = pytest.CaptureFixture[Any].readouterr

    def set_seen(error: ImageError, name: str, value: Any) -> None:
        watch.see(error, name, value)
        object.__setattr__(error, name, value)

    def run_seen(*arguments: Any, **options: Any) -> Any:
        done: Any = run(*arguments, **options)
        check(done.stderr, "stderr of a process")
        return done

    def read_seen(capture: pytest.CaptureFixture[Any]) -> Any:
        found = read(capture)
        check(found.err, "stderr")
        return found

    monkeypatch.setattr(ImageError, "__setattr__", set_seen)
    monkeypatch.setattr(subprocess, "run", run_seen)
    monkeypatch.setattr(pytest.CaptureFixture, "readouterr", read_seen)
    root.addHandler(watch)
    try:
        yield watch
    finally:
        root.removeHandler(watch)


@pytest.fixture(autouse=True)
def no_leaks() -> Generator[None]:
    """Fail the test if a secret showed up in it."""
    with pytest.MonkeyPatch.context() as monkeypatch, _watching(monkeypatch) as watch:
        yield
    assert watch.finish() == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, Any]:
    """Fail a test whose captured stderr has a secret, such as that of a server which a client started."""
    report = yield
    if report.passed and (found := leaked(report.capstderr)):
        report.outcome, report.longrepr = "failed", f"captured stderr: {found}"
    return report
