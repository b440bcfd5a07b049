"""Styles of the library: what a file may hold, what it adds to a request, and where it is listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, TextResourceContents

from atelier.providers.core.errors import ImageError
from atelier.providers.styles.style_file import parse_style, style_text
from atelier.providers.testing.emulators.openai import OpenAI
from tests.conftest import Connect, Environ, png
from tests.exhaustive import exhaustive
from tests.server.cli.in_process import atelier
from tests.server.mcp.test_server import error, text

pytestmark = pytest.mark.anyio

NOIR = """\
---
description: hard shadows
model: gpt-image-2.5-flare
avoid: [lettering, "a, b"]
palette: ["#0b132b", "#5bc0be"]
images: [look.png]
aspect_ratio: 16:9
quality: low
---
Film noir, venetian blinds.
"""


def write(environ: Environ, name: str, content: str | bytes) -> Path:
    folder = Path(environ["ATELIER_OUTPUT_DIR"]) / "styles"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def told(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, text(result)
    return dict(result.structured_content or {})


def record(environ: Environ, id: str) -> dict[str, Any]:
    (path,) = Path(environ["ATELIER_OUTPUT_DIR"]).rglob(f"{id}.json")
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_file_is_read_as_people_write_it() -> None:
    style = parse_style("noir", b"\xef\xbb\xbf" + NOIR.replace("\n", "\r\n").encode())
    assert (style.words, style.settings.aspect_ratio) == ("Film noir, venetian blinds.", "16:9")
    assert (style.settings.avoid, style.settings.palette) == (["lettering", "a, b"], ["#0b132b", "#5bc0be"])
    assert parse_style("x", b"---\navoid: fog, rain\n---\n").settings.avoid == ["fog", "rain"]
    assert parse_style("x", "Nur Wörter".encode()).words == "Nur Wörter"
    again = parse_style("x", style_text({"aspect_ratio": "16:9", "model": None, "avoid": ["a: b"]}, "Wörter").encode())
    assert (again.settings.aspect_ratio, again.settings.avoid, again.words) == ("16:9", ["a: b"], "Wörter")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"---\npalette: #0b132b\n---\nx", "in quotes"),
        (b"---\ncolour: red\n---\nx", "“colour”, which is none of description, avoid"),
        (b"---\nmodel: [a]\n---\nx", "“model”"),
        (b"---\nmodel: x\nx", "no end"),
        (b"---\nmodel: 'x\n---\nx", "no YAML"),
        (b"---\n- a\n---\nx", "no keys"),
        (b"---\navoid: " + b"[" * 1000 + b"\n---\nx", ""),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * 4_001, "4,000 characters"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(content: bytes, why: str) -> None:
    with pytest.raises(ImageError) as refused:
        parse_style("noir", content)
    assert "“noir” cannot be used" in refused.value.message
    assert why in refused.value.message
    assert "noir.md" in refused.value.hint


async def test_a_style_adds_words_model_and_references(connect: Connect, with_openai: Environ, openai: OpenAI) -> None:
    write(with_openai, "Noir.md", NOIR)
    write(with_openai, "look.png", png(32, 32))
    async with connect() as client:
        price = await client.call_tool("estimate_cost", {"prompt": "a fox", "style": "noir"})
        result = await client.call_tool("generate_image", {"prompt": "a fox", "style": "noir"})
        other = await client.call_tool("generate_image", {"prompt": "a fox", "style": "NOIR", "quality": "high"})
    sent, own = (request.body.decode("latin-1") for request in openai.requests)
    assert [request.path for request in openai.requests] == ["/v1/images/edits"] * 2
    assert [image.size for (image,) in openai.sources] == [(32, 32)] * 2
    found = told(result)
    assert (found["model"], told(price)["total_usd"]) == ("gpt-image-2.5-flare", found["estimated_usd"])
    (note,) = [each for each in found["warnings"] if each.startswith("Style noir")]
    assert "1 reference image, sent as an edit" in note
    assert "“Film noir, venetian blinds.”" in note
    assert note in text(result)
    assert note in told(price)["warnings"]
    kept = record(with_openai, found["images"][0]["id"])
    assert kept["prompt_used"] == kept["prompt"]
    assert kept["prompt"].split("\n\n") == [
        "a fox",
        "Style: Film noir, venetian blinds.",
        "Colours: #0b132b, #5bc0be.",
        "Avoid: lettering, a, b.",
        "The image shows the style alone: take its look, not what it shows.",
    ]
    assert kept["prompt"].replace("\n", "\r\n") in sent or kept["prompt"] in sent
    assert (kept["style"], kept["asked"]["aspect_ratio"], kept["asked"]["quality"]) == ("noir", "16:9", "low")
    assert "style" not in kept["asked"]
    assert not other.is_error
    assert ("high" in own, "high" in sent) == (True, False)


async def test_what_the_call_names_stays_and_what_the_model_lacks_is_named(
    connect: Connect, with_openai: Environ, with_stability: Environ
) -> None:
    write(with_openai, "noir.md", NOIR)
    write(with_openai, "look.png", png(32, 32))
    asked = {"style": "noir", "prompt": "a fox", "negative_prompt": "rain"}
    async with connect() as client:
        other = told(await client.call_tool("generate_image", {**asked, "model": "stable-image-core"}))
        sketch = told(await client.call_tool("generate_image", {"style": "noir", "prompt": "a fox", "model": "sketch"}))
        square = told(
            await client.call_tool("estimate_cost", {"style": "noir", "prompt": "a fox", "size": "1024x1024"})
        )
    kept = record(with_openai, other["images"][0]["id"])
    assert kept["negative_prompt"] == "rain, lettering, a, b"
    assert "Avoid" not in kept["prompt"]
    assert kept["asked"]["aspect_ratio"] == "16:9"
    (note,) = other["warnings"]
    assert "model" not in note.partition("Not used")[0]
    assert "quality low, which the model does not take" in note
    assert "1 reference image, as stable-image-core takes no references" in note
    assert sketch["images"][0]["width"] / sketch["images"][0]["height"] == pytest.approx(16 / 9, rel=0.01)
    assert "aspect ratio" not in " ".join(square["warnings"])


async def test_an_edit_appends_the_references_and_drops_a_model_that_cannot(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    write(with_openai, "noir.md", NOIR)
    write(with_openai, "look.png", png(32, 32))
    write(with_openai, "core.md", "---\nmodel: stable-image-core\n---\nsoft")
    photo = str(write(with_openai, "photo.png", png(64, 48)))
    async with connect() as client:
        edited = told(await client.call_tool("edit_image", {"image": photo, "prompt": "at night", "style": "noir"}))
        other = told(await client.call_tool("edit_image", {"image": photo, "prompt": "at night", "style": "core"}))
    assert [[image.size for image in images] for images in openai.sources] == [[(64, 48), (32, 32)], [(64, 48)]]
    assert "The last image shows the style alone" in record(with_openai, edited["images"][0]["id"])["prompt"]
    assert "model stable-image-core, which cannot edit" in " ".join(other["warnings"])


async def test_a_preset_keeps_its_name_and_an_unknown_style_is_refused_with_near_names(
    connect: Connect, with_stability: Environ
) -> None:
    write(with_stability, "anime.md", "of the library")
    write(with_stability, "film-noir.md", "dark")
    write(with_stability, "broken.md", "---\ncolour: x\n---")
    write(with_stability, "README.md", "what is here")
    asked = {"prompt": "a fox", "model": "stable-image-core"}
    async with connect() as client:
        preset = told(await client.call_tool("generate_image", {**asked, "style": "anime"}))
        misspelt = await client.call_tool("generate_image", {**asked, "style": "film-noire"})
        readme = await client.call_tool("generate_image", {**asked, "style": "readme"})
        path = await client.call_tool("generate_image", {**asked, "style": "../styles/anime"})
        broken = await client.call_tool("generate_image", {**asked, "style": "broken"})
    kept = record(with_stability, preset["images"][0]["id"])
    assert (kept["asked"]["style"], kept["prompt"]) == ("anime", "a fox")
    assert "is a preset of stable-image-core" in " ".join(preset["warnings"])
    assert error(misspelt)["reason"] == "unsupported_option"
    assert "Styles of the library with a similar name: “film-noir”." in text(misspelt)
    assert "photographic" in text(misspelt)
    assert "“anime”, “broken”, “film-noir”" in text(readme)
    assert path.is_error
    assert "“colour”, which is none of" in text(broken)


async def test_an_unknown_style_of_an_empty_library_says_that_it_is_empty(connect: Connect) -> None:
    async with connect() as client:
        answer = await client.call_tool("generate_image", {"prompt": "a fox", "style": "noir"})
    assert "The style library is empty." in text(answer)


async def test_a_missing_reference_is_refused_before_anything_is_sent(
    connect: Connect, with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(png(8, 8))
    for number, image in enumerate(["gone.png", "img_" + "0" * 26, "../../secret.png", str(tmp_path / "secret.png")]):
        write(with_openai, f"s{number}.md", f"---\nimages: ['{image}']\n---\nx")
    async with connect() as client:
        refused = [
            text(await client.call_tool("generate_image", {"prompt": "x", "model": "openai", "style": f"s{number}"}))
            for number in range(4)
        ]
    assert all(f"The style “s{number}” has the image" in words for number, words in enumerate(refused))
    assert openai.requests == []


async def test_a_style_with_a_model_that_there_is_not_is_refused_by_its_name(
    connect: Connect, with_openai: Environ
) -> None:
    write(with_openai, "old.md", "---\nmodel: stable-imagine-core\n---\ngrainy")
    async with connect() as client:
        refused = await client.call_tool("generate_image", {"prompt": "a fox", "style": "old"})
        named = await client.call_tool("estimate_cost", {"prompt": "a fox", "style": "old", "model": "sketch"})
    assert error(refused)["reason"] == "unknown_model"
    assert "The style “old” names a model that cannot be used." in text(refused)
    assert "“stable-image-core”" in text(refused)
    assert not named.is_error


async def test_a_changed_file_makes_another_request_and_the_same_joins(
    connect: Connect, with_openai: Environ, openai: OpenAI
) -> None:
    write(with_openai, "noir.md", "dark")
    asked = {"prompt": "a fox", "style": "noir", "models": ["gpt-image-2.5-flare", "sketch"]}
    async with connect() as client:
        first = told(await client.call_tool("generate_image", asked))
        write(with_openai, "noir.md", "light")
        second = told(await client.call_tool("generate_image", asked))
    sent = [json.loads(request.body)["prompt"] for request in openai.requests]
    assert sent == ["a fox\n\nStyle: dark", "a fox\n\nStyle: light"]
    assert len(first["models"]) == len(second["models"]) == 2


@exhaustive
def test_the_command_line_takes_styles(environ: Environ) -> None:
    write(environ, "noir.md", "dark")
    done = atelier(environ, "generate", "a fox", "--style", "noir", "--model", "sketch", "--json")
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(done.stdout)["images"]
    assert record(environ, image["id"])["prompt_used"] == "a fox\n\nStyle: dark"
    priced = atelier(environ, "cost", "a fox", "--style", "noir", "--model", "sketch")
    assert "Style noir: added “dark”." in priced.stdout


async def test_an_image_that_pleased_becomes_a_style(connect: Connect, with_openai: Environ, openai: OpenAI) -> None:
    drawn = {"prompt": "misty fjord, 淡彩", "model": "gpt-image-2.5-flare", "size": "1536x1024", "quality": "low"}
    async with connect() as client:
        made = told(await client.call_tool("generate_image", drawn))["images"][0]
        saved = await client.call_tool("get_image", {"id": made["id"], "save_style": "Fjord"})
        again = await client.call_tool("get_image", {"id": made["id"], "save_style": "fjord"})
        path = Path(with_openai["ATELIER_OUTPUT_DIR"]) / "styles" / "fjord.md"
        first = path.read_text(encoding="utf-8")
        path.write_text("mine", encoding="utf-8")
        forced = {"id": "last", "save_style": "fjord", "deliver": "overwrite"}
        await client.call_tool("get_image", forced)
        used = told(await client.call_tool("generate_image", {"prompt": "a tent", "style": "fjord"}))
        twice = await client.call_tool("get_image", {"save_style": "twice"})
        listed = await client.call_tool("get_image", {"list": True, "save_style": "x"})
        tricks = [
            (await client.call_tool("get_image", {"id": made["id"], "save_style": name})).is_error
            for name in ("../x", "a/b", "con", ".hidden", "readme", "ä", "x" * 61)
        ]
    assert f"Saved as the style “fjord” ({path})" in text(saved)
    style = parse_style("fjord", first.encode())
    assert (style.words, style.settings.model) == ("misty fjord, 淡彩", "openai/gpt-image-2.5-flare")
    assert (style.settings.images, style.settings.aspect_ratio) == ([made["id"]], "3:2")
    assert error(again)["reason"] == "invalid_request"
    assert "overwrite" in text(again)
    assert path.read_text(encoding="utf-8") == first
    assert "1 reference image, sent as an edit" in " ".join(used["warnings"])
    assert [image.size for image in openai.sources[-1]] == [(made["width"], made["height"])]
    assert all(tricks)
    assert error(listed)["reason"] == "invalid_request"
    assert not twice.is_error
    again_saved = (path.parent / "twice.md").read_text(encoding="utf-8")
    assert again_saved.endswith("---\na tent\n\nmisty fjord, 淡彩\n")
    assert sorted(each.name for each in path.parent.iterdir()) == ["fjord.md", "twice.md"]


async def test_a_style_of_an_image_in_a_style_has_its_words_colours_and_exclusions_once(
    connect: Connect, environ: Environ
) -> None:
    write(environ, "noir.md", '---\navoid: [fog, rain]\npalette: ["#0b132b"]\n---\nFilm noir.\n\nHard shadows.\n')
    drawn = {"prompt": "a fox", "style": "noir", "model": "sketch"}
    async with connect() as client:
        for name in ("first", "second"):  # the second is of an image that is in the first
            assert not (await client.call_tool("generate_image", drawn)).is_error
            saved = {"save_style": name}
            assert not (await client.call_tool("get_image", saved)).is_error
            drawn = {"prompt": "a fox", "style": name, "model": "sketch"}
    for name in ("first", "second"):
        style = parse_style(name, (Path(environ["ATELIER_OUTPUT_DIR"]) / "styles" / f"{name}.md").read_bytes())
        assert style.words == "a fox\n\nFilm noir.\n\nHard shadows."
        assert (style.settings.palette, style.settings.avoid) == (["#0b132b"], ["fog", "rain"])


async def test_styles_are_listed_by_list_models_and_as_resources(connect: Connect, environ: Environ) -> None:
    write(environ, "noir.md", NOIR)
    write(environ, "Film Ümlaut.md", "grainy")
    write(environ, "broken.md", "---\ncolour: x\n---")
    async with connect() as client:
        brief = await client.call_tool("list_models", {})
        every = await client.call_tool("list_models", {"word": "styles"})
        some = await client.call_tool("list_models", {"word": "venetian"})
        of_vendor = await client.call_tool("list_models", {"vendor": "openai"})
        (index,) = (await client.read_resource("atelier://styles")).contents
        (file,) = (await client.read_resource("atelier://styles/noir")).contents
        (spaced,) = (await client.read_resource("atelier://styles/film%20%C3%BCmlaut")).contents
        with pytest.raises(MCPError, match="film ümlaut"):
            await client.read_resource("atelier://styles/film")
    assert "Styles of the library: broken, film ümlaut, noir" in text(brief)
    assert [style["name"] for style in told(brief)["styles"]] == ["broken", "film ümlaut", "noir"]
    lines = text(every).splitlines()
    assert lines[0] == told(every)["summary"] == "3 styles of the library, for the parameter style:"
    assert "- noir: hard shadows (gpt-image-2.5-flare, 1 reference image)" in lines
    assert "“colour”" in lines[1]
    assert [style["name"] for style in told(some)["styles"]] == ["noir"]
    assert "styles" not in told(of_vendor)
    assert isinstance(index, TextResourceContents)
    assert isinstance(file, TextResourceContents)
    assert isinstance(spaced, TextResourceContents)
    assert "- noir: hard shadows" in index.text
    assert (file.text, file.mime_type, spaced.text) == (NOIR, "text/markdown", "grainy")
