"""The instructions that a host passes to its model."""

from __future__ import annotations

from collections.abc import Callable

from atelier.providers.catalog.strengths import configured

MAX_NAMED = 10  # models whose strengths are named

INSTRUCTIONS = """\
Atelier makes images with the image models of several vendors and keeps them.

Use it whenever the user wants to draw, paint, render, generate or design an image, picture, photo, illustration, \
logo, icon, poster, banner or diagram, or to edit, extend, upscale or cut out one.

- generate_image makes images from words; edit_image changes one, named by an asset id, by "last" or by a path. Leave \
`model` out unless the user named one or the task calls for it.
- get_image shows a stored image, lists the newest, and collects a job whose answer said “running”.
- list_models shows models and styles; call it when the user asks, or when a model was refused.
- Every answer names the file of the full image. Show that path or link to the user: the attached preview is small, \
and not every chat shows it.
- estimate_cost shows the price, with `compare` of every model; call it when the user asks about cost, or before many \
or large images.
- Images may cost money. Do not repeat a call that succeeded, and make one image unless more were asked for.
- When an option is refused, the error says what the model offers instead: change the call accordingly.
- Without a vendor key the built-in sketch draws labelled drafts for free; tell the user that it is a draft."""

HEADING = "Good at, as their makers say:"


def instructions(is_set: Callable[[str], bool]) -> str:
    """Return the instructions; they name the strengths of the vendors whose key variable `is_set`."""
    lines = [f"{each.model}: {each.good_at}" for each in configured(is_set)[:MAX_NAMED]]
    return "\n".join([INSTRUCTIONS, "", HEADING, *lines]) if lines else INSTRUCTIONS
