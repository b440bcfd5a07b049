"""The signatures of the commands for stored images."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from atelier.server.cli.signatures.defaults import GALLERY_IMAGES, IMAGES
from atelier.server.cli.terminal.shared_options import Json

Yes = Annotated[bool, Parameter(name=["--yes", "-y"], help="Delete without being asked.")]


def list_images(
    *,
    limit: Annotated[
        int,
        Parameter(metavar="N", validator=Number(gte=1, lte=10_000), help=f"How many; {IMAGES} by default."),
    ] = IMAGES,
    no_thumbnails: Annotated[bool, Parameter(help="A table also where the terminal can show images.")] = False,
    json: Json = False,
) -> int:
    """List the newest images: id, when and by which model they were made, cost and prompt."""
    from atelier.server.cli.stored.list import list_images as run

    return run(limit=limit, no_thumbnails=no_thumbnails, json=json)


def gallery(
    file: Annotated[
        str | None, Parameter(help="The file to write; gallery.html in the state folder by default.")
    ] = None,
    /,
    *,
    limit: Annotated[
        int,
        Parameter(metavar="N", validator=Number(gte=1, lte=2000), help=f"How many; {GALLERY_IMAGES} by default."),
    ] = GALLERY_IMAGES,
    no_open: Annotated[bool, Parameter(help="Write the file only.")] = False,
) -> int:
    """Write a page with the newest images and open it in a browser. It needs neither Atelier nor a network."""
    from atelier.server.cli.stored.gallery import gallery as run

    return run(file, limit=limit, no_open=no_open)


def show(
    image: Annotated[str, Parameter(help="A file, the id of an image, which `atelier list` prints, or last.")],
    /,
    *,
    open: Annotated[bool, Parameter(help="Also open it.")] = False,
    json: Json = False,
) -> int:
    """Print how an image was made, and where it is: its record, and the facts embedded in its file."""
    from atelier.server.cli.stored.show import show as run

    return run(image, open=open, json=json)


def remove(
    images: Annotated[list[str], Parameter(help="Ids of images, which `atelier list` prints, or last.")],
    /,
    *,
    yes: Yes = False,
) -> int:
    """Delete images for good, with their records. Exit code 1 when one of them is not there."""
    from atelier.server.cli.stored.remove import remove as run

    return run(images, yes=yes)


def prune(
    *,
    older_than: Annotated[
        str | None, Parameter(metavar="AGE", help="Only images made longer ago: 12h, 30d, 6w.")
    ] = None,
    keep: Annotated[
        int, Parameter(metavar="N", validator=Number(gte=0), help="Keep the newest N, however old they are.")
    ] = 0,
    dry_run: Annotated[bool, Parameter(help="List what would be deleted.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Delete old images for good: those older than an age, or all but the newest."""
    from atelier.server.cli.stored.remove import prune as run

    return run(older_than=older_than, keep=keep, dry_run=dry_run, yes=yes, json=json)
