"""`atelier show`: the record of a picture and what its own file says, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atelier.providers.images.identify import picture
from atelier.providers.images.provenance import embed_facts
from atelier.server.main import main
from tests.conftest import Environ, png


@pytest.fixture
def drawn(environ: Environ, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A picture that was drawn on the command line; its path."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert exit_of("generate", "a “fox”\x1b[31m in the rain", "--model", "sketch", "--seed", "7") == 0
    return Path(next(line for line in capsys.readouterr().out.splitlines() if line.endswith(".png")))


def exit_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


def test_a_picture_is_shown_by_id_by_last_and_by_path(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (drawn.stem, "last", f"image://assets/{drawn.stem}", str(drawn)):
        assert exit_of("show", words, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert told["record"]["id"] == told["embedded"]["id"] == drawn.stem
        assert told["record"]["prompt"] == told["embedded"]["prompt"] == "a “fox”\x1b[31m in the rain"
        assert told["embedded"]["seed"] == 7
        assert told["record"]["embedded"] is True
        assert told["c2pa"] is told["record"]["c2pa"] is False
        assert told["bytes"] == told["record"]["bytes"] == drawn.stat().st_size


def test_for_people_it_is_aligned_and_bears_no_control_characters(
    drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_of("show", str(drawn)) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    rows = [line for line in out.splitlines() if line.startswith("  ")]
    column = rows[0].index(str(drawn))
    assert all(line[column - 1] == " " != line[column] for line in rows), rows
    assert "record\n" in out
    assert "in the file\n" in out


def test_the_file_tells_its_facts_when_it_has_left_its_record(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = drawn.rename(tmp_path / "fox.png")
    assert exit_of("show", str(moved), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["record"] is None
    assert told["embedded"]["prompt"].startswith("a “fox”")
    assert exit_of("show", str(moved)) == 0
    assert "it has no record" in capsys.readouterr().out


def test_a_record_of_another_picture_is_not_taken_for_this_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fox.png").write_bytes(png(8, 8))
    for other in ('{"id": "owl", "file": "owl.png"}', "[]", "{", '"fox"'):
        (tmp_path / "fox.json").write_text(other)
        assert exit_of("show", str(tmp_path / "fox.png")) == 0
        out = capsys.readouterr().out
        assert "it has no record" in out
        assert "no facts of ours" in out


def test_a_signed_picture_is_told_as_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.providers.images.test_provenance import signed

    data = embed_facts(picture(signed("png")), {"id": "x"})[0].image_bytes
    (tmp_path / "signed.png").write_bytes(data)
    assert exit_of("show", str(tmp_path / "signed.png")) == 0
    assert "signed by its maker" in capsys.readouterr().out


@pytest.mark.parametrize("words", ["img_" + "0" * 26, "last", "/nowhere/fox.png", "\0", "."])
def test_what_is_not_there_is_one_sentence(
    environ: Environ, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert exit_of("show", words) == 1
    out = capsys.readouterr()
    assert out.err.startswith("atelier: ")
    assert len(out.err.splitlines()) == 1


def test_what_is_no_picture_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fox.png").write_text("no picture")
    assert exit_of("show", str(tmp_path / "fox.png")) == 1
    assert "not a PNG" in capsys.readouterr().err
