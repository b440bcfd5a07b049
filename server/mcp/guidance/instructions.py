"""The instructions that a host passes to its model."""

from __future__ import annotations

INSTRUCTIONS = """\
Atelier makes images with the image models of several vendors and keeps them.

Use it whenever the user wants to draw, paint, render, generate or design an image, picture, photo, illustration, \
logo, icon, poster, banner, wallpaper or diagram, or to edit, extend, upscale or cut out one.

- generate_image makes images from words; edit_image changes one that exists, named by the asset id of an earlier \
answer, by "last" or by a path. Leave `model` out unless the user named one.
- get_image shows one that was made before, lists the newest, and collects a job whose answer said “running”.
- list_models shows what can be used now; call it when the user asks, or when a model was refused.
- Every answer names the file of the full image. Show that path or link to the user: the attached preview is small, \
and not every chat shows it.
- estimate_cost shows the price before anything is made, and with `compare` that of every model; call it when the user \
asks about cost, or before many or large images.
- Images may cost money. Do not repeat a call that succeeded, and make one image unless more were asked for.
- When an option is refused, the error says what the model offers instead: change the call accordingly.
- Without any vendor key the built-in sketch draws labelled drafts for free; tell the user that it is a draft."""
