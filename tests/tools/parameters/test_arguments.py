"""Arguments from outside: what hosts add for themselves is ignored, all that is wrong is reported at once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError
from atelier.tools import TOOLS
from atelier.tools.generate_image import TOOL
from atelier.tools.parameters.arguments import HOST_ARGUMENTS, parameters_of
from atelier.tools.tool import Tool


@pytest.mark.parametrize("name", [*HOST_ARGUMENTS, "_meta"])
def test_an_argument_that_a_host_adds_is_ignored(name: str) -> None:
    assert parameters_of(TOOL, {"prompt": "a fox", name: True}) == parameters_of(TOOL, {"prompt": "a fox"})


def test_no_parameter_of_ours_is_among_them() -> None:
    assert not {name for tool in TOOLS for name in tool.parameters.model_fields} & set(HOST_ARGUMENTS)


def test_unknown_and_wrong_arguments_are_reported_in_one_error() -> None:
    with pytest.raises(ImageError) as caught:
        parameters_of(TOOL, {"prompt": "a fox", "colour": "red", "n": 99, "seeds": 1})
    assert all(word in caught.value.message for word in ("colour", "“n”", "seeds"))


VALUES = [
    None,
    "",
    "x" * 50_000,
    "many",
    "\ud800",
    1.5,
    -1,
    2**70,
    float("nan"),
    float("inf"),
    True,
    [],
    ["x"] * 99,
    [[1]],
    {"a": 1},
    b"x",
]
"""One of each kind of value that JSON has, and some of the kinds' extremes."""


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_no_wrong_value_is_answered_with_the_words_of_the_validator(tool: Tool[Any]) -> None:
    said = list[str]()
    for name in tool.parameters.model_fields:
        for value in VALUES:
            try:
                parameters_of(tool, {"prompt": "a fox", name: value})
            except ImageError as error:
                said.append(error.message)
    assert len(said) > 10
    strange = re.compile(r"[Ii]nput|valid|pars|should|pattern|cannot be used|_type|\{")
    assert [message for message in said if strange.search(message.split("”", 1)[-1])] == []
