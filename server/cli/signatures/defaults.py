"""Defaults that the help names."""

from __future__ import annotations

HOST, PORT = "127.0.0.1", 8000
"""Where `serve --http` listens."""

JOBS, IMAGES, GALLERY_IMAGES = 20, 20, 60
"""How many `jobs`, `list` and `gallery` show."""

DAYS_LEFT = 60
"""Of a default model, where `models --check` fails: so that there is time for a release."""
