"""Messages of the command line speak to a person: commands and options, and no tools or parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Environ
from tests.exhaustive import sample
from tests.server.cli.in_process import atelier

MISTAKES = [
    (("generate", "x", "-n", "0"), 2, "--n must be at least 1. `atelier generate --help` tells more."),
    (("edit", "last", "x", "--operation", "upscal"), 2, "variation. `atelier edit --help` tells more."),
    (("edit", "nope.png", "x"), 1, "There is no file or image “nope.png”. Give the path of a file, an id"),
    (("generate", "x", "--size", "64x64", "--aspect-ratio", "1:1"), 2, "Give --size alone, or --aspect-ratio with"),
    (("generate", "x", "--n", "99"), 2, "--n must be at most 10. `atelier generate --help` tells more."),
    (("generate", "x", "--size", "foo"), 2, "The size “foo” is not a size. Write it as WIDTHxHEIGHT in pixels"),
    (("cost", "x", "--size", "foo"), 2, "The size “foo” is not a size. Write it as WIDTHxHEIGHT in pixels"),
    (
        ("generate", "x", "--fallback", "nope"),
        2,
        "--fallback is wrong. No model is called “nope”.",
    ),
    (("generate", "x", "--quality", "high"), 1, "sketch does not support quality=high. It supports: auto."),
    (("generate", "x", "--model", "openai"), 1, "Set OPENAI_API_KEY (`atelier keys set` stores a key), or use"),
    (
        ("edit", "last", "x"),
        1,
        "There is no image yet. Give the path of a file, or make one: atelier generate PROMPT",
    ),
    (
        ("show", "last"),
        1,
        "There is no image yet. Give a file, the id of an image, which `atelier list` prints, or",
    ),
    (
        ("generate", "x", "--mask", "y.png"),
        2,
        "Unknown option: --mask. `atelier generate --help` lists the options.",
    ),
    (("generate", "a", "fox"), 2, "Unexpected: fox. Put a prompt that has spaces in quotes."),
    (("config", "fox"), 2, "Unexpected: fox. `atelier --help` lists what there is."),
    (("edit",), 2, "`atelier edit` needs IMAGE: the image to change (a file, the id of an image, “last”, or an"),
    (("show",), 2, "needs IMAGE: a file, the id of an image, which `atelier list` prints, or last. For example: "),
    (("rm",), 2, "`atelier rm` needs IMAGE: ids of images, which `atelier list` prints, or last. For example: "),
    (("rm", "last"), 1, "There is no image yet. `atelier generate` makes one."),
    (("generate", "x", "--model", "DALL·E 3"), 1, "retired by its vendor on 2026-05-12. Use gpt-image-2.5-flare"),
    (("generate", "x", "--size"), 2, "--size needs a value. `atelier generate --help` has examples."),
    (("generate", "x", "--budget", "two"), 2, 'Invalid value "two" for --budget: it must be a number.'),
    (("generate", "x", "--batch", "p.txt"), 2, "Give a prompt or --batch FILE, not both."),
    (("generate", "--batch", "p.txt", "-o", "x.png"), 2, "--output names a folder, not a file."),
    (
        ("generate", "a fox", "-o", "-"),
        2,
        "--output names a file or a folder; an image is not",
    ),
    (("jobs", "--state", "lost"), 2, '"running", "done", "failed", "cancelled", "unknown"'),
    (("init", "librechat", "--write"), 2, "LibreChat cannot be set up from here."),
    (("keys", "set", "opnai"), 2, "Did you mean “openai”?"),
    (("keys", "set", "nope"), 2, "No vendor is called “nope”. The vendors are openai,"),
]


@pytest.mark.parametrize(("arguments", "code", "sentence"), sample(MISTAKES, MISTAKES[::6]))
def test_a_mistake_is_answered_in_words_of_the_command_line(
    environ: Environ, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = atelier(environ, *arguments)
    assert done.returncode == code
    assert sentence in done.stderr


def test_a_batch_without_a_key_says_that_its_images_are_drafts_and_how_to_get_real_ones(
    environ: Environ, tmp_path: Path
) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("a fox\na cat\n")
    done = atelier(environ, "generate", "--batch", str(file), "--size", "64x64")
    assert done.returncode == 0
    assert done.stderr.count("No vendor key is set") == 1
    assert "set OPENAI_API_KEY, or another vendor's key (`atelier models` lists them)" in done.stderr
    assert "list_models" not in done.stderr


def test_the_help_names_no_tool(environ: Environ) -> None:
    for command in ("generate", "edit", "cost", "models"):
        shown = atelier(environ, command, "--help").stdout
        assert "list_models" not in shown
        assert ("Only models that can do this" in shown) == (command == "models")
        assert ("A dash (-)" in shown) == (command != "models")


def test_a_comparison_without_a_key_says_why_it_has_every_vendor(environ: Environ) -> None:
    assert "No vendor is set up, so all are compared" in atelier(environ, "cost", "a fox", "--compare").stdout


def test_a_comparison_with_a_key_has_the_models_that_can_be_used(with_openai: Environ) -> None:
    assert "No vendor is set up" not in atelier(with_openai, "cost", "a fox", "--compare").stdout


def test_a_host_over_http_is_given_a_block_with_a_token(environ: Environ) -> None:
    done = atelier(environ, "init", "librechat")
    assert "Authorization: Bearer TOKEN" in done.stdout
    assert "ATELIER_JWT_SECRET" in done.stderr


def test_a_free_image_needs_no_explanation_of_its_price(environ: Environ) -> None:
    shown = atelier(environ, "cost", "a fox").stdout
    assert "$0" in shown
    assert "Price from" not in shown
