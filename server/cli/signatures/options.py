"""Turn the parameters of a tool into options of a command."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import EnumType
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast, get_args, get_origin

from cyclopts import Group, Parameter, Token
from pydantic.fields import FieldInfo

from atelier.providers.core.errors import ImageError
from atelier.server.cli.terminal.messages import usage_errors, with_flags
from atelier.server.cli.terminal.shared_options import RESULT, STDIN
from atelier.tools.parameters.tool_parameters import Parameters

if TYPE_CHECKING:
    from atelier.tools.tool import ParametersT, Tool

MODEL, IMAGE, SOURCES, COST = (
    Group(name, sort_key=place) for place, name in enumerate(("Model", "Image", "Sources", "Cost"), start=1)
)
NARROWING = Group("Which models", sort_key=0)
REST = Group("More", sort_key=9)

GROUPS = {
    **dict.fromkeys(("model", "fallback", "options", "seed", "style", "compare"), MODEL),
    **dict.fromkeys(
        ("n", "size", "aspect_ratio", "resolution", "quality", "background", "output_format", "output_compression",
         "negative_prompt"),
        IMAGE,
    ),
    **dict.fromkeys(
        ("image", "images", "mask", "operation", "strength", "search", "left", "right", "top", "bottom"), SOURCES
    ),
    **dict.fromkeys(("deliver_size", "deliver_fit", "deliver_max_kb"), RESULT),
    "confirm_cost": COST,
    **dict.fromkeys(("vendor", "word", "list_models.operation"), NARROWING),
}  # fmt: skip
"""Parameter, or parameter of one tool -> its group in the help; others are in REST."""

HELP = {
    "prompt": "What the image shows: subject, setting, style, light. A dash (-) reads it from standard input.",
    "edit_image.prompt": "What is to change; not needed to erase, upscale or remove the background. "
    "A dash (-) reads it from standard input.",
    "model": "A model (gpt-image-2), a vendor (openai) or vendor/model; `atelier models` lists them.",
    "style": "A preset of the model, or a style of your library.",
    "output_format": "Mostly png when left out.",
    "options": "Rarer options of the model as NAME=VALUE; `atelier models --vendor NAME` lists them.",
    "confirm_cost": "Pay without being asked, also above the limit of ATELIER_CONFIRM_ABOVE.",
    "estimate_cost.confirm_cost": "No effect here: nothing is paid. The options of `generate` are taken as they are.",
    "aspect_ratio": "Such as 16:9, in place of --size.",
    "image": "The image to change (a file, the id of an image, “last”, or an https address).",
    "operation": "edit by default, inpaint with a mask. outpaint takes --left, --right, --top and --bottom; "
    "search_replace and recolor take --search.",
    "list_models.operation": "Only models that can do this.",
    "compare": "The price with every model that can be used, the cheapest first.",
    "fallback": "Models to try in order when the vendor is down, or none.",
}
"""Parameter, or parameter of one tool -> its help here, where the tool's description speaks to an agent."""

METAVARS = {"images": "IMAGE", "options": "NAME=VALUE", "fallback": "MODEL", "size": "WxH", "aspect_ratio": "W:H"}
"""Parameter -> the name of a value in the help."""

SHORT = {"n": "-n"}
"""Parameter -> its short option."""


def with_options(
    run: Callable[..., int],
    tool: str,
    parameters: type[Parameters],
    positional: Collection[str],
    left_out: Collection[str],
    optional: Collection[str] = (),
) -> Callable[..., int]:
    """Return the command `run` with a further argument for each parameter of the tool of that name.

    Those of `positional` are arguments without a name, and required where the tool requires them, unless they are
    `optional`. Those of `left_out` are left out.
    """
    fields = parameters.model_fields
    own = [each for each in inspect.signature(run, eval_str=True).parameters.values() if each.kind is each.KEYWORD_ONLY]
    given = {each.name for each in own}
    first = [
        _argument(tool, name, fields[name], is_positional=True, is_optional=name in optional) for name in positional
    ]
    named = [
        _argument(tool, name, field) for name, field in fields.items() if name not in {*left_out, *positional, *given}
    ]

    def command(*words: Any, **options: Any) -> int:
        return run(**{each.name: word for each, word in zip(first, words, strict=False)}, **options)

    arguments = [*first, *named, *own]
    command.__doc__ = run.__doc__
    command.__annotations__ = {each.name: each.annotation for each in arguments}
    setattr(command, "__signature__", inspect.Signature(arguments))  # noqa: B010 - types know no such attribute
    return command


def parameters_in(tool: Tool[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a tool that were given. A prompt of `-` is read from standard input."""
    found = {name: given[name] for name in tool.parameters.model_fields if given.get(name) not in (None, False)}
    if found.get("prompt") == STDIN:
        found["prompt"] = sys.stdin.read().strip()
    return found


def validated(tool: Tool[ParametersT], command: str, given: Mapping[str, Any]) -> ParametersT:
    """Return the validated parameters. Raises UsageError with a hint for a person, not the tool's for an agent."""
    from atelier.tools.parameters.arguments import parameters_of

    with usage_errors():
        try:
            return parameters_of(tool, given)
        except ImageError as error:
            error.hint = f"`atelier {command} --help` tells more."
            raise


def _argument(
    tool: str, name: str, field: FieldInfo, *, is_positional: bool = False, is_optional: bool = False
) -> inspect.Parameter:
    """Return the parameter of a command for that of a tool. The value stays as it was typed; the tool validates it."""
    kinds = list(_kinds(field.annotation))
    several, flag = list in kinds, kinds == [bool]
    choices = tuple(dict.fromkeys(_choices(kinds)))
    one: Any = Literal[choices] | str if choices else str  # shown and completed; the tool takes jpg and PNG as well
    place: dict[str, Any] = {} if is_positional else {"group": GROUPS.get(f"{tool}.{name}") or GROUPS.get(name, REST)}
    options = Parameter(
        help=HELP.get(f"{tool}.{name}") or HELP.get(name) or with_flags(field.description or ""),
        metavar=METAVARS.get(name) or _metavar(kinds),
        converter=None if flag else _typed_list if several else _typed,
        consume_multiple=several or None,
        alias=SHORT.get(name),
        **place,
    )
    kind = bool if flag else list[one] | None if several else one | None
    required = is_positional and field.is_required() and not is_optional
    return inspect.Parameter(
        name,
        inspect.Parameter.POSITIONAL_ONLY if is_positional else inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else False if flag else None,
        annotation=Annotated[one if required else kind, options],
    )


def _typed(kind: object, tokens: Sequence[Token]) -> str:
    return tokens[0].value


def _typed_list(kind: object, tokens: Sequence[Token]) -> list[str]:
    return [token.value for token in tokens]


def _kinds(annotation: Any) -> Iterator[Any]:
    """Yield the types in an annotation, without None: of `list` the type itself, of `Literal` the whole."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for each in get_args(annotation):
            yield from _kinds(each)
    elif annotation is not type(None):
        yield annotation if origin is Literal else origin or annotation


def _choices(kinds: Sequence[Any]) -> Iterator[str]:
    for kind in kinds:
        if get_origin(kind) is Literal:
            yield from map(str, get_args(kind))
        elif isinstance(kind, EnumType):
            yield from (str(each.value) for each in cast("Iterator[Any]", kind))


def _metavar(kinds: Sequence[Any]) -> str:
    return "N" if int in kinds else "NUMBER" if float in kinds else "CHOICE" if tuple(_choices(kinds)) else "VALUE"
