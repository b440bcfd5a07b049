"""Builds the page of the studio: one HTML file with its styles and its script inside, under a strict policy."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).with_name("page")

SCRIPTS = (
    "dom",
    "controls",
    "bridge",
    "images",
    "gallery",
    "viewer",
    "mask",
    "stage",
    "outpaint",
    "keys",
    "painter",
    "compare",
    "create",
    "main",
)
"""The modules in the order of their imports: a module imports only those before it."""

STYLES = ("base", "gallery", "painter")

IMPORT = re.compile(r'^import \{[^}]*\} from "\./\w+\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=async function|function|class|const)", re.MULTILINE)


@cache
def studio_page(*, connect: str = "'none'") -> str:
    """Return the page. `connect` is where its script may send requests: nowhere when a host shows it."""
    script = "".join(_module(name) for name in SCRIPTS)
    style = "".join(_text(f"{name}.css") for name in STYLES)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'"
    )
    html = _text("studio.html")
    for place, content in (("policy", policy), ("style", style), ("script", script)):
        html = html.replace(f"{{{{{place}}}}}", content)
    return html


def _module(name: str) -> str:
    """Return a module without its imports and exports: together the modules are one."""
    return EXPORT.sub("", IMPORT.sub("", _text(f"{name}.js")))


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    """Return the source expression that allows an inline script or style with this content."""
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"
