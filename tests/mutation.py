"""Run mutmut over the code that handles money, retries, guards and fingerprints; see CONTRIBUTING.md.

    uv run --group mutation python -m tests.mutation               all that pyproject.toml names
    uv run --group mutation python -m tests.mutation "*retry*"     one module
    uv run --group mutation python -m tests.mutation --results     the mutants that survived
    uv run --group mutation python -m tests.mutation --show NAME   what one of them changes

mutmut derives the name of a module from its path, so it runs in a folder where the package lies as it is imported.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hatch_build import link

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "mutation"


def main(arguments: list[str]) -> int:
    """Make the folder and run mutmut in it; return its exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    link(ROOT / "build" / "dev" / "atelier", FOLDER / "atelier")
    link(ROOT / "tests", FOLDER / "tests")
    (FOLDER / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    command = (
        [arguments[0].removeprefix("--"), *arguments[1:]]
        if arguments[:1] in (["--results"], ["--show"])
        else ["run", *arguments]
    )
    return subprocess.run([sys.executable, "-m", "mutmut", *command], cwd=FOLDER, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
