"""Takes the pictures of docs/studio.md and README: `uv run python -m tests.server.studio.screenshots`.

Needs Chromium, and playwright-core in the folder whose package.json PLAYWRIGHT names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio
from PIL import Image

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.server.composition import storage_of
from atelier.server.settings import Settings
from tests.conftest import NO_FILES
from tests.npm import node
from tests.server.process import started
from tests.server.studio.scenes import SCENES, VARIANTS, store_scenes

PROGRAM = Path(__file__).with_name("browser") / "screenshots.mjs"
IMAGES = Path(__file__).parents[3] / "docs/images"
MAX_BYTES = 150_000


def main() -> None:
    """Write the pictures, each in at most MAX_BYTES."""
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is not installed."
    with tempfile.TemporaryDirectory() as folder, (openai := OpenAI()).serving():
        environ = NO_FILES | {
            "ATELIER_OUTPUT_DIR": f"{folder}/out",
            "ATELIER_STATE_DIR": f"{folder}/state",
            "OPENAI_API_KEY": openai.key,
            "OPENAI_BASE_URL": openai.url,
        }
        anyio.run(store_scenes, storage_of(Settings.from_environ(environ)), VARIANTS)
        command = [sys.executable, "-m", "atelier.server", "studio", "--no-open"]
        with started(environ, command, subprocess.DEVNULL, subprocess.DEVNULL) as process:
            assert process.stdout is not None
            try:
                link = process.stdout.readline().strip()
                run = [str(node()), str(PROGRAM), chromium, link, SCENES[3].prompt, folder]
                subprocess.run(run, env=dict(os.environ), check=True)
            finally:
                process.terminate()
        for taken in sorted(Path(folder).glob("studio-*.png")):
            file = IMAGES / taken.with_suffix(".webp").name
            Image.open(taken).convert("RGB").save(file, quality=82, method=6)
            assert file.stat().st_size <= MAX_BYTES, file


if __name__ == "__main__":
    main()
