"""Arguments from outside: what hosts add for themselves is ignored, all that is wrong is reported at once."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import ImageError
from atelier.tools import TOOLS
from atelier.tools.arguments import HOST_ARGUMENTS, parameters_of
from atelier.tools.generate_image import TOOL


@pytest.mark.parametrize("name", HOST_ARGUMENTS)
def test_an_argument_that_a_host_adds_is_ignored(name: str) -> None:
    assert parameters_of(TOOL, {"prompt": "a fox", name: True}) == parameters_of(TOOL, {"prompt": "a fox"})


def test_no_parameter_of_ours_is_among_them() -> None:
    assert not {name for tool in TOOLS for name in tool.parameters.model_fields} & set(HOST_ARGUMENTS)


def test_unknown_and_wrong_arguments_are_reported_in_one_error() -> None:
    with pytest.raises(ImageError) as caught:
        parameters_of(TOOL, {"prompt": "a fox", "colour": "red", "n": 99, "seeds": 1})
    assert all(word in caught.value.message for word in ("colour", "“n”", "seeds"))
