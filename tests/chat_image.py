"""docs/images/chat-answer.png: a real answer of the server, drawn as a chat shows it.

uv run python -m tests.chat_image     writes it after the answer's text or the draft's look has changed
"""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
import textwrap
from pathlib import Path

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.types import ImageContent, TextContent
from PIL import Image, ImageDraw, ImageFont

FILE = Path(__file__).parents[1] / "docs/images/chat-answer.png"
REQUEST = "Draw a lighthouse at dusk as an oil painting, 16:9."
ARGUMENTS = {"prompt": "a lighthouse at dusk, oil painting", "aspect_ratio": "16:9", "model": "sketch"}
WIDTH, MARGIN, LINE, LETTERS = 920, 40, 32, 84
PAPER, INK, GREY, BUBBLE = "#ffffff", "#1f2328", "#6e7781", "#e8f0fe"


async def answer(home: Path) -> tuple[list[str], Image.Image]:
    """Return the lines of the answer that are for the user, and its preview."""
    environ = {**os.environ, "HOME": str(home), "USERPROFILE": str(home), "ATELIER_DOTENV": "off"}
    server = StdioServerParameters(command=sys.executable, args=["-m", "atelier.server", "serve"], env=environ)
    async with Client(server) as client:
        result = await client.call_tool("generate_image", ARGUMENTS)
    (text,) = [part.text for part in result.content if isinstance(part, TextContent)]
    (preview,) = [part.data for part in result.content if isinstance(part, ImageContent)]
    # the font has no multiplication sign
    lines = text.replace(str(home), "~").replace("×", "x").splitlines()
    shown = [line for line in lines if line.startswith(("1 image", "File:", "Asset id:", "Model:"))]
    return shown, Image.open(io.BytesIO(base64.b64decode(preview)))


def drawn(lines: list[str], preview: Image.Image) -> Image.Image:
    """Return the chat: the request, the tool, the preview and the lines of the answer."""
    wrapped = [part for line in lines for part in textwrap.wrap(line, LETTERS)]
    canvas = Image.new("RGB", (WIDTH, 3 * MARGIN + 120 + preview.height + LINE * len(wrapped)), PAPER)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(22)
    wide = pen.textlength(REQUEST, font=font)
    pen.rounded_rectangle((WIDTH - MARGIN - wide - 40, MARGIN, WIDTH - MARGIN, MARGIN + 56), 18, BUBBLE)
    pen.text((WIDTH - MARGIN - wide - 20, MARGIN + 14), REQUEST, INK, font)
    pen.text((MARGIN, MARGIN + 84), "atelier · generate_image", GREY, ImageFont.load_default(18))
    canvas.paste(preview, (MARGIN, MARGIN + 120))
    for number, line in enumerate(wrapped):
        place = (MARGIN, 2 * MARGIN + 112 + preview.height + LINE * number)
        pen.text(place, line, INK, ImageFont.load_default(20))
    return canvas


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        lines, preview = anyio.run(answer, Path(home))
    FILE.parent.mkdir(exist_ok=True)
    drawn(lines, preview).quantize(160).save(FILE, optimize=True)


if __name__ == "__main__":
    main()
