"""`name=value`: what is read as a number, a switch or a word, and what is no option at all."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from atelier.providers.core.errors import ImageError, Reason
from atelier.tools import edit_image, generate_image
from atelier.tools.image_call import request_fields
from atelier.tools.parameters.arguments import RARE, parameters_of, parse_options
from atelier.tools.parameters.tool_parameters import EditImage, GenerateImage


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("steps=30", 30),
        (" steps = 30 ", 30),
        ("guidance=4.5", 4.5),
        ("guidance=-1e2", -100.0),
        ("raw=true", True),
        ("raw=false", False),
        ("raw=True", "True"),
        ("mode=fast", "fast"),
        ('user="123"', "123"),
        ('user="half', '"half'),
        ("user=null", "null"),
        ("user=[1]", "[1]"),
        ('user={"a": 1}', '{"a": 1}'),
        ("user=a=b", "a=b"),
        ("user=007", "007"),
        ("user=two\nlines", "two\nlines"),
        ("user=NaN", "NaN"),
        ("user=1e999", "1e999"),
        ("user=" + "9" * 5000, "9" * 5000),
    ],
)
def test_a_value_is_what_json_has_it_to_be_and_else_a_word(text: str, value: Any) -> None:
    (found,) = parse_options([text]).values()
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", ["", "=", "steps", "=3", "steps=", "steps= ", "a b=1", "1a=2", "_=1", "a-b=1", "é=1"])
def test_what_is_no_option_is_told_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match=r"name=value|no value"):
        parse_options([text])


@given(st.lists(st.text(max_size=60), max_size=5))
def test_whatever_is_written_it_becomes_plain_values_or_is_refused(pairs: list[str]) -> None:
    found = dict[str, Any]()
    with suppress(ValueError):
        found = parse_options(pairs)
    for value in found.values():
        assert isinstance(value, str | int | float)
        assert not isinstance(value, float) or math.isfinite(value)


@given(st.text(min_size=1, max_size=60).filter(lambda text: text.strip()))
def test_a_word_in_quotes_comes_out_as_it_went_in(text: str) -> None:
    assert parse_options([f"user={json.dumps(text)}"]) == {"user": text}


@pytest.mark.parametrize(
    "given",
    [
        ["raw=true", "steps=3"],
        '["raw=true", "steps=3"]',
        {"raw": True, "steps": 3},
        '{"raw": "true", "steps": 3}',
        "raw=true",
        "",
        None,
        [],
        {},
        "[]",
        " ",
    ],
)
def test_a_list_may_come_as_hosts_write_it(given: Any) -> None:
    asked = parameters_of(generate_image.TOOL, {"prompt": "a fox", "options": given})
    told = request_fields(asked)["options"]
    assert told == (
        {"raw": True, "steps": 3} if "steps" in str(given) else {"raw": True} if "raw" in str(given) else {}
    )


@pytest.mark.parametrize("tool", [generate_image.TOOL, edit_image.TOOL], ids=lambda tool: tool.name)
@pytest.mark.parametrize("name", [name for name in EditImage.model_fields if name not in RARE])
def test_what_a_parameter_is_for_is_refused_with_the_parameter(tool: Any, name: str) -> None:
    source = {"image": "last"} if tool is edit_image.TOOL else {}
    with pytest.raises(ImageError) as caught:
        parameters_of(tool, {"prompt": "a fox", "options": [f"{name}=1"], **source})
    assert caught.value.reason is Reason.INVALID_REQUEST
    own = name in tool.parameters.model_fields
    assert (f"give it as {name}" if own else "a parameter of edit_image") in caught.value.message


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        ("seed=7", "seed", 7),
        ("negative_prompt=fog, rain", "negative_prompt", "fog, rain"),
        ("output_compression=80", "output_compression", 80),
        ("fallback=sketch", "fallback", ["sketch"]),
        ("left=200", "left", 200),
        ("strength=0.5", "strength", 0.5),
        ("search=the hat", "search", "the hat"),
    ],
)
def test_a_parameter_that_models_do_not_see_may_be_an_option(option: str, name: str, value: Any) -> None:
    asked = parameters_of(edit_image.TOOL, {"prompt": "a fox", "image": "last", "options": [option, "steps=3"]})
    assert (getattr(asked, name), asked.options) == (value, ["steps=3"])


def test_an_option_that_contradicts_its_parameter_is_refused() -> None:
    with pytest.raises(ImageError, match="must not have seed"):
        parameters_of(generate_image.TOOL, {"prompt": "a fox", "seed": 7, "options": ["seed=8"]})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["steps=1", "steps=2"], "“options” has steps twice"),
        (["steps"], "“options” must be written as name=value"),
        ([f"a{n}=1" for n in range(21)], "“options”"),
        ([7], "“options.0”"),
        (7, "“options” must be a list"),
    ],
)
def test_a_slip_is_one_sentence_without_the_value(options: Any, says: str) -> None:
    with pytest.raises(ImageError) as caught:
        parameters_of(generate_image.TOOL, {"prompt": "a fox", "options": options})
    assert caught.value.message.startswith(says)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("value", [[None], "a fox", 7])
def test_what_is_no_object_is_refused_and_not_a_crash(value: Any) -> None:
    with pytest.raises(ValidationError):
        GenerateImage.model_validate(value)
