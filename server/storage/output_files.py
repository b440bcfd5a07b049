"""Write images where the caller says, within the folders that the settings allow: the parameter output_path."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import anyio

from atelier.providers.core.errors import ImageError, Reason, invalid_request, sanitize
from atelier.providers.core.results import ResultImage

ENDINGS = {"png": (".png",), "jpeg": (".jpg", ".jpeg"), "webp": (".webp",), "gif": (".gif",), "svg": (".svg",)}
"""Format -> the endings of its files, the usual one first."""


class OutputFolders:
    """The folders that output_path may lie in. Without any, every folder may be written: a person typed the path."""

    def __init__(self, folders: Sequence[Path] = (), overwrite_hint: str = "add overwrite to `deliver`") -> None:
        self._folders = tuple(folders)
        self._hint = f"Use another name, or {overwrite_hint}."

    async def check(self, path: str, *, overwrite: bool) -> None:
        """Raise invalid_request when no image could be written there."""
        await anyio.to_thread.run_sync(self._check, path, overwrite)

    async def write(self, path: str, images: Sequence[ResultImage], *, overwrite: bool) -> list[str]:
        """Write the images and return their paths. Raises invalid_request and storage_failed."""
        return await anyio.to_thread.run_sync(self._write, path, images, overwrite)

    def _check(self, path: str, overwrite: bool) -> Path:
        target = self._resolve(path)
        if self._folders and not any(target.is_relative_to(folder.resolve()) for folder in self._folders):
            allowed = ", ".join(str(folder) for folder in self._folders)
            message = f"output_path lies in no folder that may be written ({sanitize(str(target), 200)})."
            raise invalid_request(message, f"Use a path below {allowed}, or add its folder to ATELIER_INPUT_DIRS.")
        if not _is_folder(path, target):
            if not target.parent.is_dir():
                raise invalid_request("The folder of output_path does not exist.", "Create it, or use another one.")
            if target.exists() and not overwrite:
                raise invalid_request("The file of output_path exists.", self._hint)
        return target

    def _resolve(self, path: str) -> Path:
        try:
            found = Path(path).expanduser()
            if not found.is_absolute() and self._folders:
                found = self._folders[0] / found
            return found.resolve()
        except (OSError, RuntimeError, ValueError):
            raise invalid_request("output_path is no path.", "Use an absolute path.") from None

    def _write(self, path: str, images: Sequence[ResultImage], overwrite: bool) -> list[str]:
        target = self._check(path, overwrite)
        written = list[str]()
        try:
            for number, image in enumerate(images):
                place = _place(path, target, image, number if len(images) > 1 else None)
                place.parent.mkdir(parents=True, exist_ok=True)
                _write_file(place, image.image_bytes, overwrite=overwrite)
                written.append(str(place))
        except FileExistsError as error:
            name = Path(str(error.filename2 or error.filename or target)).name
            raise invalid_request(f"The file {name} exists.", self._hint) from None
        except OSError as error:
            message = f"output_path could not be written ({error.strerror or type(error).__name__})."
            raise ImageError(Reason.STORAGE_FAILED, message, hint="The image itself is stored.") from None
        return written


def _is_folder(path: str, target: Path) -> bool:
    return path.endswith(("/", os.sep)) or target.is_dir()


def _place(path: str, target: Path, image: ResultImage, number: int | None) -> Path:
    """Return the path of one image. In a folder it is named by its id; of several one file name gets numbers."""
    endings = ENDINGS.get(image.format, (f".{image.format}",))
    if _is_folder(path, target):
        name = image.stored.id if image.stored else f"image-{secrets.token_hex(4)}"
        return target / f"{name}{endings[0]}"
    ending = target.suffix if target.suffix.lower() in endings else endings[0]
    stem = (
        target.stem if target.suffix.lower() in {each for known in ENDINGS.values() for each in known} else target.name
    )
    return target.with_name(f"{stem}{'' if number is None else f'-{number + 1}'}{ending}")


def _write_file(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write a file that appears once it is complete. Raises FileExistsError for one that may not be replaced."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(data)
        if overwrite:
            part.replace(path)
        else:
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
