"""Tests of reading files in allowed folders, also while links are swapped."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atelier.providers.images.allowed_files import (
    AmbiguousNameError,
    OutsideFoldersError,
    find_similar_name,
    is_inside,
    read_file,
)
from tests.exhaustive import examples

LIMIT = 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An allowed folder with a file and a subfolder, a secret folder, and links between them."""
    for name in ("allowed/deep", "secret/deep"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "fox").write_bytes(name.split("/")[0].encode())
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    (allowed / "out").symlink_to(secret)
    (allowed / "far").symlink_to(secret / "deep" / "fox")
    (allowed / "near").symlink_to(allowed / "deep" / "fox")
    (allowed / "round").symlink_to(allowed / "round")
    return allowed


def test_a_file_is_read_also_through_links_that_stay_inside(folder: Path) -> None:
    for path in (folder / "deep" / "fox", folder / "near", folder / "deep" / ".." / "deep" / "fox"):
        assert read_file(path, (folder,), LIMIT) == b"allowed"


PARTS = [
    "deep",
    "out",
    "far",
    "near",
    "round",
    "fox",
    "..",
    ".",
    "",
    "~",
    "secret",
    "allowed",
    "fox\0",
    "%2e%2e",
    "..\\",
    "F0X",
]


@given(st.lists(st.sampled_from(PARTS), max_size=6))
@settings(max_examples=examples(1500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_leads_out_of_the_folder(folder: Path, parts: list[str]) -> None:
    path = folder.joinpath(*parts)
    try:
        assert read_file(path, (folder,), LIMIT) == b"allowed"
    except ValueError as error:
        assert isinstance(error, OutsideFoldersError) or Path(os.path.realpath(path)).is_dir()  # noqa: PT017
    else:
        assert Path(os.path.realpath(path)).is_relative_to(folder)


@given(st.lists(st.sampled_from([*PARTS, "deep\u00a0one", "deep one"]), max_size=6))
@settings(max_examples=examples(500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_near_name_leads_out_of_the_folder(folder: Path, parts: list[str]) -> None:
    for place in (folder, folder.parent / "secret"):
        (place / "deep\u202fone").mkdir(exist_ok=True)
        (place / "deep\u202fone" / "fox").write_bytes(place.name.encode())
    with contextlib.suppress(OutsideFoldersError):
        assert find_similar_name(folder.joinpath(*parts), (folder,)).is_relative_to(folder)


def test_a_folder_with_the_exact_name_comes_first(folder: Path) -> None:
    for name in ("deep one", "deep\u00a0one"):
        (folder / name).mkdir()
        (folder / name / "fox\u202f1").write_bytes(b"allowed")
    assert find_similar_name(folder / "deep one" / "fox 1", (folder,)) == folder.resolve() / "deep one" / "fox\u202f1"
    with pytest.raises(AmbiguousNameError):
        find_similar_name(folder / "deep\u202fone" / "fox 1", (folder,))


def test_whether_a_path_is_inside_does_not_depend_on_what_is_outside(folder: Path) -> None:
    for name in ("fox", "none", "deep/fox", "deep/none", "near", "none/none"):
        assert is_inside(folder / name, (folder,))
    for name in ("out/fox", "out/none", "far", "../secret/deep/fox", "../secret/none", "../none", "round", "\0"):
        assert not is_inside(folder / name, (folder,))


def test_large_files_and_folders_are_not_read(folder: Path) -> None:
    (folder / "large").write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(ValueError, match="larger than"):
        read_file(folder / "large", (folder,), LIMIT)
    for path in (folder, folder / "deep"):
        with pytest.raises(ValueError, match="not a file"):
            read_file(path, (folder,), LIMIT)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_pipes_and_devices_do_not_block(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(ValueError, match="not a file"):
        read_file(folder / "pipe", (folder,), LIMIT)
    for device in ("null", "zero", "stdin"):
        with pytest.raises((ValueError, OSError)):
            read_file(Path("/dev") / device, (Path("/dev"),), LIMIT)


class Swapping(type(Path())):
    """A path that is replaced between the check and the opening."""

    swap: Callable[[], object]

    def resolve(self, strict: bool = False) -> Path:
        real = Path(super().resolve(strict))
        self.swap()
        return real


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@given(depth=st.integers(1, 4), data=st.data())
@settings(max_examples=examples(300), deadline=None)
def test_a_link_swapped_in_after_the_check_is_not_followed(depth: int, data: st.DataObject) -> None:
    names = [f"name{level}" for level in range(depth)]
    swapped = data.draw(st.integers(0, depth - 1), label="which name is swapped")
    with tempfile.TemporaryDirectory() as place:
        for name in ("allowed", "secret"):
            file = Path(place, name, *names)
            file.parent.mkdir(parents=True)
            file.write_bytes(name.encode())
        victim, aim = (Path(place, name, *names[: swapped + 1]) for name in ("allowed", "secret"))

        def swap() -> None:
            victim.rename(Path(place, "gone"))
            if data.draw(st.booleans(), label="a link, not the thing itself"):
                victim.symlink_to(aim)

        path = Swapping(Path(place, "allowed", *names))
        path.swap = swap
        with pytest.raises(OutsideFoldersError):
            read_file(path, (Path(place, "allowed"),), LIMIT)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_file_that_is_swapped_all_the_time_is_read_correctly_or_not_at_all(folder: Path) -> None:
    """A thread swaps a file and a link as fast as it can while the file is read repeatedly."""
    name, real, link = folder / "name", folder / "real", folder / "link"
    name.write_bytes(b"allowed")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            real.write_bytes(b"allowed")
            link.symlink_to(folder.parent / "secret" / "deep" / "fox")
            link.replace(name)  # each an atomic step: the name is always there
            real.replace(name)

    thread, seen = threading.Thread(target=swap), set[bytes]()
    thread.start()
    try:
        for _ in range(3000):
            with contextlib.suppress(OutsideFoldersError, OSError):
                seen.add(read_file(name, (folder,), LIMIT))
    finally:
        stop.set()
        thread.join()
    assert seen == {b"allowed"}
