"""Add a style of the library to a request: words, colours, a model, reference images, and what it must not show.

What the caller gave stays. What the model does not take is left out, and the request's notes name it. The expanded
request is what is priced, sent, stored, and compared with earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.concurrency import run_on_processor
from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import PROMPTLESS, Feature, ImageRequest, Model, Operation, Picture
from atelier.providers.images.sources import ASSET, SourceReader, normalise_source
from atelier.providers.pipeline.admit import check_and_price
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.styles.library import FoundStyle, StyleLibrary
from atelier.providers.styles.style_file import Style

DEFAULTS = ("aspect_ratio", "quality")
"""Settings of a style that fill in a field that the caller left out, where the model takes them."""

STYLE, COLOURS, AVOID = "Style: ", "Colours: ", "Avoid: "
"""Begin the paragraphs that a style adds to a prompt; `save` looks for them."""

ABOUT_REFERENCES = "the style alone: take"  # in the sentence that tells a model which images are references
MAX_NOTE = 160  # characters of the words in a note


async def with_style(
    request: ImageRequest, found: FoundStyle | None, library: StyleLibrary, pipeline: Pipeline
) -> ImageRequest:
    """Return the request with the style that it names; a preset of its model stays a preset.

    `found` is the style of the library of that name. Raises unsupported_option when there is neither.
    """
    choice = pipeline.catalog.resolve(request.model, request.operation, request.origin)
    if request.style in choice.model.styles:
        note = (
            f"“{request.style}” is a preset of {choice.model.id}, which was used; the style of the library with that "
            "name was not. Rename its file to use it."
        )
        return replace(request, notes=(*request.notes, note)) if found else request
    if found is None:
        await _refuse_unknown(request, library, pipeline)
        return request
    return await _expanded(request, found, pipeline)


async def _refuse_unknown(request: ImageRequest, library: StyleLibrary, pipeline: Pipeline) -> None:
    """Raise the refusal of a style that the model does not have, with names of the library."""
    try:
        pipeline.admit(request)
    except ImageError as error:
        if error.facts.get("option") == "style":
            error.hint = f"{error.hint} {await library.suggestion(request.style or '')}".strip()
        raise


@dataclass(slots=True)
class _Expansion:
    """A request while a style is added to it, and what was added and left out, in words."""

    request: ImageRequest
    added: list[str] = field(default_factory=list[str])
    unused: list[str] = field(default_factory=list[str])
    references: int = 0

    def note(self, name: str) -> str:
        """Return the note of the answer."""
        left_out = f" Not used: {'; '.join(self.unused)}." if self.unused else ""
        return f"Style {name}: {'; '.join(self.added) or 'nothing was added'}.{left_out}"


async def _expanded(request: ImageRequest, found: FoundStyle, pipeline: Pipeline) -> ImageRequest:
    style, catalog = found.style, pipeline.catalog
    expansion = _Expansion(replace(request, style=None, applied_style=style.name))
    _choose_model(expansion, style, catalog)
    model = catalog.resolve(expansion.request.model, request.operation, request.origin).model
    _add_defaults(expansion, style, catalog)
    if _takes_references(expansion, style, model):
        _add_references(expansion, await _references(found, pipeline.sources), model, catalog)
    _add_words(expansion, style, model, catalog)
    note = expansion.note(style.name)
    return replace(expansion.request, notes=(*request.notes, note))


def _choose_model(expansion: _Expansion, style: Style, catalog: Catalog) -> None:
    """Take the style's model where the caller named none."""
    name, request = style.settings.model, expansion.request
    if name is None or request.model is not None:
        return
    try:
        choice = catalog.resolve(name, request.operation)
    except ImageError as error:
        error.message = f"The style “{style.name}” names a model that cannot be used. {error.message}"
        raise
    if request.operation in choice.model.operations:
        expansion.request = replace(request, model=name)
        expansion.added.append(f"model {choice.provider.name}/{choice.model.id}")
    else:
        expansion.unused.append(f"model {name}, which cannot {request.operation.value.replace('_', ' ')}")


def _add_defaults(expansion: _Expansion, style: Style, catalog: Catalog) -> None:
    """Fill in fields that the caller left out, if the model takes the style's value."""
    for option in DEFAULTS:
        value = getattr(style.settings, option)
        taken = option == "aspect_ratio" and expansion.request.size
        if value is None or taken or getattr(expansion.request, option) is not None:
            continue
        label = f"{option.replace('_', ' ')} {value}"
        if _takes(catalog, replace(expansion.request, **{option: value})):
            expansion.request = replace(expansion.request, **{option: value})
            expansion.added.append(label)
        else:
            expansion.unused.append(f"{label}, which the model does not take")


def _takes(catalog: Catalog, request: ImageRequest) -> bool:
    """Return whether the model takes the request's options. Other refusals come with the request itself."""
    bare = tuple(replace(source, image_bytes=b"") for source in request.sources)  # encoding them takes long
    try:
        priced = check_and_price(catalog, replace(request, prompt=request.prompt or "-", sources=bare))
        if request.mask is None:
            priced.choice.provider.prepare(priced.calls[0])
    except ImageError as error:
        return error.reason is not Reason.UNSUPPORTED_OPTION
    return True


def _takes_references(expansion: _Expansion, style: Style, model: Model) -> bool:
    """Return whether the style has reference images and the model takes any beside the sources.

    A model with one source image changes that image; it would repeat the reference's content.
    """
    wanted, request = len(style.settings.images), expansion.request
    able = request.operation in (Operation.GENERATE, Operation.EDIT) and Operation.EDIT in model.operations
    takes = able and model.max_sources > max(1, len(request.sources))
    if wanted and not takes:
        expansion.unused.append(f"its {_images(wanted)}, as {model.id} takes no references in this call")
    return bool(wanted) and takes


async def _references(found: FoundStyle, sources: SourceReader) -> list[Picture]:
    """Return the style's reference images. Raises ImageError, before anything is sent, for one that cannot be read."""
    pictures = list[Picture]()
    for name in found.style.settings.images:
        try:
            pictures.append(await _reference(name, found, sources))
        except ImageError as error:
            shown = sanitize(name, 80)
            error.message = f"The style “{found.style.name}” has the image {shown}. {error.message}"
            raise
    return pictures


async def _reference(name: str, found: FoundStyle, sources: SourceReader) -> Picture:
    """Return an image of a file beside the style's, or of what an edit takes: an asset id, an address or a path."""
    if not ASSET.fullmatch(name) and "/" not in name and "\\" not in name:
        data = await found.files.read(name, sources.limits.max_bytes)
        if data is None:
            hint = "Put the image beside the style's file, or give an asset id, an https address or a path."
            raise ImageError(Reason.NOT_FOUND, "There is no such file beside the style.", hint=hint)
        return await run_on_processor(normalise_source, data, sources.limits)
    return (await sources.read(name)).picture


def _add_references(expansion: _Expansion, pictures: list[Picture], model: Model, catalog: Catalog) -> None:
    """Append as many references as the model takes; a request without sources becomes an edit."""
    request = expansion.request
    used = tuple(pictures[: model.max_sources - len(request.sources)])
    attempt = replace(request, operation=Operation.EDIT, sources=(*request.sources, *used))
    if not _takes(catalog, attempt):
        expansion.unused.append(f"its {_images(len(pictures))}, which the model refuses with these options")
        return
    expansion.request, expansion.references = attempt, len(used)
    changed = ", sent as an edit" if request.operation is Operation.GENERATE else ""
    expansion.added.append(f"{_images(len(used))}{changed}")
    if len(used) < len(pictures):
        expansion.unused.append(f"{_images(len(pictures) - len(used))} more than {model.id} takes")


def _add_words(expansion: _Expansion, style: Style, model: Model, catalog: Catalog) -> None:
    """Add the words, the colours and what to avoid, the last as a negative prompt where the model has one."""
    request, settings = expansion.request, style.settings
    avoid = ", ".join(settings.avoid)
    if model.max_prompt == 0 or (request.operation in PROMPTLESS and not request.prompt):
        if style.words or avoid or settings.palette:
            expansion.unused.append(
                f"its words, as {request.operation.value.replace('_', ' ')} was called without a prompt"
            )
        return
    expansion.added += [f"{label} “{sanitize(text, MAX_NOTE)}”" for label, text in _texts(style, avoid) if text]
    if avoid and Feature.NEGATIVE_PROMPT in model.features:
        negative = f"{request.negative_prompt}, {avoid}" if request.negative_prompt else avoid
        with_negative = replace(request, negative_prompt=negative)
        if _takes(catalog, with_negative):  # some do not with other options
            request, avoid = with_negative, ""
    lines = [request.prompt, *_lines(style, avoid), *_about_references(expansion)]
    expansion.request = replace(request, prompt="\n\n".join(line for line in lines if line))


def _lines(style: Style, avoid: str) -> Iterator[str]:
    if style.words:
        yield f"{STYLE}{style.words}"
    if style.settings.palette:
        yield f"{COLOURS}{', '.join(style.settings.palette)}."
    if avoid:
        yield f"{AVOID}{avoid}."


def _about_references(expansion: _Expansion) -> Iterator[str]:
    """Yield the sentence that says which of the images are references."""
    which = "The last" if len(expansion.request.sources) > expansion.references else "The"
    if expansion.references == 1:
        yield f"{which} image shows {ABOUT_REFERENCES} its look, not what it shows."
    elif expansion.references:
        yield f"{which} {expansion.references} images show {ABOUT_REFERENCES} their look, not what they show."


def _texts(style: Style, avoid: str) -> tuple[tuple[str, str], ...]:
    return ("added", style.words), ("colours", ", ".join(style.settings.palette)), ("avoids", avoid)


def _images(count: int) -> str:
    return f"{count} reference image{'' if count == 1 else 's'}"
