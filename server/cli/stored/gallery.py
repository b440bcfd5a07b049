"""`atelier gallery`: one HTML file that shows the newest images, with their prompts and what they cost."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import anyio

from atelier.providers.core.concurrency import run_on_processor
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.asset_storage import Storage
from atelier.server.cli.stored.assets import Record, row
from atelier.server.cli.terminal.images import open_in_browser
from atelier.server.cli.terminal.output import say
from atelier.server.composition import storage_of
from atelier.server.mcp.previews import SMALL, preview
from atelier.server.settings import Settings

PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Atelier gallery</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 14px/1.5 system-ui, sans-serif; margin: 2rem }}
  main {{ display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)) }}
  figure {{ margin: 0 }}
  img {{ width: 100%; aspect-ratio: 1; object-fit: contain; background: #8882; border-radius: .5rem }}
  figcaption p {{ margin: .25rem 0; overflow-wrap: anywhere }}
  small {{ opacity: .7 }}
</style>
<h1>{title}</h1>
<main>
{figures}
</main>
"""


def gallery(file: str | None, *, limit: int, no_open: bool) -> int:
    """Write a page with the newest images and open it in a browser. It needs neither Atelier nor a network."""
    settings = Settings.load()
    path = Path(file).expanduser().absolute() if file else settings.state / "gallery.html"
    page = anyio.run(_page, storage_of(settings), limit)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        message = f"The gallery cannot be written to {path} ({error.strerror or type(error).__name__})."
        raise ImageError(Reason.STORAGE_FAILED, message, hint="Name another file.") from None
    say(str(path))
    if not no_open:
        open_in_browser(path.as_uri())
    return 0


async def _page(storage: Storage, limit: int) -> str:
    records = await storage.newest(limit)
    figures = [await _figure(storage, record) for record in records]
    title = f"{len(records)} image{'' if len(records) == 1 else 's'}"
    return PAGE.format(title=title, figures="\n".join(figures))


async def _figure(storage: Storage, record: Record) -> str:
    """Return one image with its words. Its preview is in the page; the link leads to the whole file."""
    id, made, size, model, cost, _ = row(record)
    asset, place = await storage.get(id), await storage.where(id)
    jpeg = await run_on_processor(preview, asset.image_bytes, 1, SMALL) if asset else b""
    link = (place and (place.url or (place.path and Path(place.path).as_uri()))) or ""
    prompt = escape(str(record.get("prompt") or record.get("operation") or ""))
    image = f'<img alt="{prompt}" loading="lazy" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
    facts = escape(" · ".join(each for each in (made, size, model, cost) if each))
    return (
        f'<figure><a href="{escape(link)}">{image}</a><figcaption><p>{prompt}</p>'
        f"<p><small>{facts}<br>{escape(id)}</small></p></figcaption></figure>"
    )
