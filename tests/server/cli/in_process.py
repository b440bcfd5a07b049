"""Runs the command line in the test's own process, which takes a tenth of the time of a new one."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess
from unittest.mock import patch

from atelier.server.main import main
from tests.conftest import Environ
from tests.server.process import like_a_host


def atelier(environ: Environ, *arguments: str, stdin: str = "") -> CompletedProcess[str]:
    """Run a command without a terminal, in an environment of its own, and return its exit code and what it wrote."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        patch.dict(os.environ, like_a_host(environ), clear=True),
        patch("sys.stdin", io.StringIO(stdin)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return CompletedProcess(list(arguments), code, out.getvalue(), err.getvalue())
