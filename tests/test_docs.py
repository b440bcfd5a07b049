"""The pages for people: every link leads somewhere, every page is listed, every setting is described."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from atelier.providers.vendors.registry import all_providers
from atelier.server.settings import Settings, variable_of
from atelier.server.settings.fields import SECRETS

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*DOCS, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md"))]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    prose = re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", prose, flags=re.MULTILINE)
    kept = string.ascii_lowercase + string.digits + "-_ "
    return {"".join(c for c in h.lower() if c in kept or c.isalpha()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    wrong = list[str]()
    for link in LINK.findall(CODE.sub("", text_of(page))):
        target, _, anchor = link.partition("#")
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize("index", ["README.md", "llms.txt"])
def test_every_page_is_in_the_index(index: str) -> None:
    text = text_of(ROOT / "docs" / index)
    assert [page.name for page in DOCS if page.name != "README.md" and page.name not in text] == []


def test_every_link_of_llms_txt_leads_to_a_file() -> None:
    links = LINK.findall(text_of(ROOT / "docs/llms.txt"))
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
    assert len(links) == len(set(links)) >= len(DOCS)


def test_every_setting_has_a_description_and_every_variable_is_named() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    pages = text_of(ROOT / "docs/settings.md") + text_of(ROOT / "docs/vendors.md")
    names = [*SECRETS, *map(variable_of, Settings.model_fields)]
    names += [
        name for p in all_providers() for name in (*p.endpoint.key_variables, p.endpoint.base_url_variable) if name
    ]
    assert [name for name in names if f"`{name}`" not in pages] == []


def test_every_vendor_with_a_key_says_where_a_person_gets_one() -> None:
    keyed = [provider for provider in all_providers() if provider.endpoint.key_variables]
    assert [provider.name for provider in keyed if not provider.endpoint.key_page.startswith("https://")] == []
