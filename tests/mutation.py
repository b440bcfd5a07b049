"""Run mutmut over the code that handles money, retries, guards and fingerprints; see CONTRIBUTING.md.

    uv run --group mutation python -m tests.mutation               all that pyproject.toml names
    uv run --group mutation python -m tests.mutation "*retry*"     one module
    uv run --group mutation python -m tests.mutation --results     the mutants that survived
    uv run --group mutation python -m tests.mutation --show NAME   what one of them changes

mutmut derives the name of a module from its path, so it runs in a folder where the package lies as it is imported. A
mutant is run by the tests that reach it and take at most SLOW seconds: a slower one waits for something, and each
mutant that survives would wait for all of them. Where they are more than MANY, those of its own package do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hatch_build import link

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "mutation"
TESTS = FOLDER / "mutants" / "mutmut-stats.json"  # which tests reach which function, and how long they take
SLOW = 0.15  # seconds
MANY = 300
SMALL = "atelier.providers.pricing.price_parts.x_usd__mutmut_1"  # a mutant, run first so that mutmut writes TESTS


def main(arguments: list[str]) -> int:
    """Make the folder and run mutmut in it; return its exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    link(ROOT / "build" / "dev" / "atelier", FOLDER / "atelier")
    link(ROOT / "tests", FOLDER / "tests")
    (FOLDER / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    if arguments[:1] in (["--results"], ["--show"]):
        return mutmut(arguments[0].removeprefix("--"), *arguments[1:])
    if not TESTS.exists() and (code := mutmut("run", SMALL)):
        return code
    leave_out_slow_tests()
    return mutmut("run", *arguments)


def mutmut(*arguments: str) -> int:
    """Run a command of mutmut in the folder; return its exit code."""
    return subprocess.run([sys.executable, "-m", "mutmut", *arguments], cwd=FOLDER, check=False).returncode


def leave_out_slow_tests() -> None:
    """Leave the slow tests out of what is run for a mutant, except where all that reach a function are slow."""
    known = json.loads(TESTS.read_text())
    seconds = known["duration_by_test"]
    for function, tests in known["tests_by_mangled_function_name"].items():
        quick = [test for test in tests if seconds.get(test, 0) <= SLOW]
        own = "tests/{}/{}/".format(*function.split(".")[1:3])
        near = [test for test in quick if test.startswith(own)] if len(quick) > MANY else quick
        known["tests_by_mangled_function_name"][function] = near or quick or sorted(tests, key=seconds.__getitem__)[:3]
    TESTS.write_text(json.dumps(known))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
