"""The pages for people: a landing page. FastAPI serves /docs beside it; neither loads anything from elsewhere."""

from __future__ import annotations

from html import escape
from importlib.metadata import metadata
from importlib.resources import files
from string import Template

from fastapi import APIRouter
from starlette.responses import HTMLResponse

DOCS = "/docs"
DOCS_FILES = f"{DOCS}/files"
SCHEMA = "/openapi.json"

HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


def router(mcp_path: str) -> APIRouter:
    """Return the routes. A page is no call: it is neither counted nor logged."""
    routes, page = APIRouter(), _landing_page(mcp_path)

    @routes.get("/", include_in_schema=False)
    async def landing() -> HTMLResponse:
        """Say what this is and where to read more."""
        return HTMLResponse(page, headers=HEADERS)

    return routes


def _landing_page(mcp_path: str) -> str:
    package = metadata("atelier-mcp")
    addresses = [line.partition(", ")[2] for line in package.get_all("Project-URL") or []]
    links = [f'<li><a href="{escape(url)}">Source and README</a></li>' for url in addresses[:1]]
    readme = links[0] if links else "<li>README and docs/service.md are in the source.</li>"
    template = Template(files("atelier.server.http.rest").joinpath("landing.html").read_text(encoding="utf-8"))
    return template.substitute(
        title="Atelier",
        version=escape(package["Version"]),
        description=escape(package["Summary"]),
        docs=DOCS,
        schema=SCHEMA,
        mcp=mcp_path,
        readme=readme,
    )
