"""What a client that supports MCP Apps is told of the studio, what every other one is not, and the page's tools."""

from __future__ import annotations

import base64
import io
import json
import re
from hashlib import sha256
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.extension import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, TextResourceContents
from PIL import Image

from atelier.providers.core.tracing import new_id
from atelier.providers.testing.waiting import until
from atelier.server.mcp import descriptions
from atelier.server.studio.app import SHOWN_BY, URI
from atelier.server.studio.app_tools import APP_TOOLS, CHUNK_BYTES
from atelier.server.studio.page import FOLDER, studio_page
from atelier.tools import TOOLS
from tests.conftest import Connect, Environ, encoded_png
from tests.exhaustive import exhaustive
from tests.server.http_process import Server
from tests.server.mcp.test_early_answers import lines_of, recorded
from tests.server.mcp.test_resources import drawn
from tests.server.process import hello
from tests.test_schemas import lint

pytestmark = pytest.mark.anyio

APPS = {"extensions": [advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})]}
PLAIN, CAPABLE = hello("2025-11-25"), hello("2025-11-25")
CAPABLE["params"]["capabilities"] = {"extensions": {EXTENSION_ID: {"mimeTypes": [APP_MIME_TYPE]}}}
LIMIT = 150_000  # bytes of the page


async def called(client: Client, name: str, **given: Any) -> dict[str, Any]:
    result = await client.call_tool(name, given)
    assert not result.is_error, result.content
    return dict(result.structured_content or {})


def test_the_page_is_one_small_file_whose_policy_allows_its_own_script_and_style_alone() -> None:
    page = studio_page()
    assert len(page.encode()) < LIMIT
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (content,) = re.findall(rf"<{tag}(?: [^>]*)?>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy[1]
    assert "default-src 'none'" in policy[1]
    assert "connect-src 'none'" in policy[1]
    assert not re.search(r"https?://(?!www\.w3\.org/)", page)  # nothing is loaded from elsewhere
    assert not re.search(r"\sstyle=|\son\w+=", page)  # the policy would forbid these
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", page)  # a prompt stays text
    assert not re.search(r"^(import|export)\b", page, re.MULTILINE)


def test_every_file_of_the_page_is_in_it() -> None:
    page = studio_page()
    for file in FOLDER.iterdir():
        if file.suffix != ".html":
            assert file.read_text(encoding="utf-8").strip().splitlines()[-1] in page, file.name


async def test_a_client_with_the_extension_sees_the_page_and_its_tools(connect: Connect) -> None:
    async with connect(**APPS) as client:
        tools = {tool.name: tool.meta or {} for tool in (await client.list_tools()).tools}
        listed = [resource.uri for resource in (await client.list_resources()).resources]
        (page,) = (await client.read_resource(URI)).contents
    assert list(tools) == [*(tool.name for tool in TOOLS), *APP_TOOLS]
    assert {name for name, meta in tools.items() if meta.get("ui") == {"resourceUri": URI}} == SHOWN_BY
    assert {name for name, meta in tools.items() if meta.get("ui") == {"visibility": ["app"]}} == set(APP_TOOLS)
    assert URI in listed
    assert isinstance(page, TextResourceContents)
    assert (page.mime_type, page.text) == (APP_MIME_TYPE, studio_page())
    assert page.meta == {"ui": {"csp": {"connectDomains": [], "resourceDomains": []}, "prefersBorder": True}}


@pytest.mark.parametrize("extensions", [[], [advertise(EXTENSION_ID, {"mimeTypes": ["text/html"]})]])
async def test_any_other_client_sees_neither(connect: Connect, extensions: list[Any]) -> None:
    async with connect(extensions=extensions) as client:
        listed = await client.list_tools()
        resources = (await client.list_resources()).resources
    assert [tool.model_dump() for tool in listed.tools] == [
        descriptions.description(tool).model_dump() for tool in TOOLS
    ]
    assert resources == []


@pytest.mark.parametrize(
    ("tools", "served"),
    [
        ("generate_image", []),
        ("generate_image,get_image", ["studio_images", "studio_previews", "studio_file"]),
        ("get_image,delete_image", list(APP_TOOLS)),
    ],
)
async def test_settings_that_name_the_tools_decide_what_the_page_may_do(
    connect: Connect, environ: Environ, tools: str, served: list[str]
) -> None:
    environ["ATELIER_TOOLS"] = tools
    async with connect(**APPS) as client:
        listed = [tool.name for tool in (await client.list_tools()).tools]
        resources = [resource.uri for resource in (await client.list_resources()).resources]
        refused = None
        try:
            await client.call_tool("studio_delete", {"ids": [new_id("img")]})
        except MCPError as error:
            refused = error.code
    assert [name for name in listed if name.startswith("studio_")] == served
    assert resources == ([URI] if served else [])
    assert refused == (None if "studio_delete" in served else INVALID_PARAMS)


@pytest.mark.parametrize("name", APP_TOOLS)
def test_the_schemas_of_the_page_s_tools_are_as_narrow_as_the_others(name: str) -> None:
    shown = descriptions.description(APP_TOOLS[name])
    assert [found for found in lint(shown.input_schema) if not found.endswith(": title")] == []
    assert shown.annotations is not None
    assert shown.annotations.destructive_hint == (name == "studio_delete")


async def test_the_gallery_is_listed_searched_and_paged(connect: Connect) -> None:
    async with connect() as client:
        ids = [await drawn(client, prompt) for prompt in ("a red fox", "a blue hare", "a red hare")]
        newest = await called(client, "studio_images", limit=2)
        older = await called(client, "studio_images", limit=2, before=newest["next"])
        hares = await called(client, "studio_images", search="HARE red")
        one = await called(client, "studio_images", ids=[ids[0], new_id("img")])
        edit = await client.call_tool("edit_image", {"image": ids[0], "prompt": "at night", "model": "sketch"})
        child = dict[str, Any](edit.structured_content or {})["images"][0]["id"]
        lineage = await called(client, "studio_images", ids=[child])
        edits = [await called(client, "studio_images", parent=id) for id in (ids[0], ids[2], child)]
    assert [image["id"] for page in (newest, older) for image in page["found"]] == ids[::-1]
    assert ("next" in newest, "next" in older) == (True, False)
    assert [image["id"] for image in hares["found"]] == [ids[2]]
    assert [(image["id"], image["prompt"], image["width"]) for image in one["found"]] == [(ids[0], "a red fox", 320)]
    assert lineage["found"][0]["parent"] == ids[0]
    assert [[image["id"] for image in page["found"]] for page in edits] == [[child], [], []]


async def test_images_come_small_or_whole_and_can_be_deleted(connect: Connect, environ: Environ) -> None:
    async with connect() as client:
        id, gone = await drawn(client), new_id("img")
    environ["ATELIER_STRUCTURED_CONTENT"] = "false"  # the page needs the data all the same
    async with connect() as client:
        small = (await called(client, "studio_previews", ids=[id, gone], edge=128))["previews"]
        part = await called(client, "studio_file", id=id)
        deleted = await called(client, "studio_delete", ids=[id])
        again = await client.call_tool("studio_file", {"id": id})
    assert small[gone] == ""
    assert max(Image.open(io.BytesIO(base64.b64decode(small[id]))).size) == 128
    assert Image.open(io.BytesIO(base64.b64decode(part["data"]))).size == (320, 200)
    assert "next" not in part
    assert deleted["deleted"] == [id]
    assert again.is_error


@exhaustive
async def test_a_large_file_comes_in_parts_that_join_to_base64(connect: Connect, environ: Environ) -> None:
    data = encoded_png(Image.effect_noise((900, 900), 100))
    async with connect() as client:
        source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        made = await client.call_tool(
            "edit_image", {"image": source, "prompt": "x", "model": "sketch", "size": "1024x1024"}
        )
        id = dict[str, Any](made.structured_content or {})["images"][0]["id"]
        parts = [await called(client, "studio_file", id=id)]
        while "next" in parts[-1]:
            parts.append(await called(client, "studio_file", id=id, offset=parts[-1]["next"]))
    size = parts[0]["bytes"]
    assert len(base64.b64decode("".join(part["data"] for part in parts), validate=True)) == size
    assert len(parts) == -(-size // CHUNK_BYTES) > 1
    assert max(len(part["data"]) for part in parts) < 150_000


@exhaustive
async def test_many_previews_are_as_many_as_fit(connect: Connect) -> None:
    async with connect() as client:
        ids = [await drawn(client, f"fox {number}") for number in range(12)]
        found = (await called(client, "studio_previews", ids=ids, edge=512))["previews"]
        refused = await client.call_tool("studio_previews", {"ids": ["../etc"]})
    assert sum(map(len, found.values())) <= 150_000
    assert found.keys() <= set(ids)
    assert found
    assert refused.is_error


@exhaustive
def test_a_recorded_list_of_tools_is_not_another_host_s(environ: Environ) -> None:
    listing = ({"method": "notifications/initialized"}, {"method": "tools/list", "id": 2})
    lines_of(environ, CAPABLE, *listing)
    until(lambda: recorded(environ))
    assert "studio_images" not in lines_of(environ, PLAIN, *listing)[-1]
    first = lines_of(environ, CAPABLE, *listing)[-1]
    assert [tool["name"] for tool in json.loads(first)["result"]["tools"]][-1] == "studio_delete"


@exhaustive
async def test_over_http_a_caller_reaches_own_images_alone(server: Server) -> None:
    async with server.mcp("alice", extensions=APPS["extensions"]) as alice:
        assert "studio_images" in {tool.name for tool in (await alice.list_tools()).tools}
        id = await drawn(alice)
        assert [image["id"] for image in (await called(alice, "studio_images"))["found"]] == [id]
        assert (await called(alice, "studio_file", id=id))["url"].startswith(f"{server.url}/i/{id}")
    async with server.mcp("bob", extensions=APPS["extensions"]) as bob:
        assert (await called(bob, "studio_images", ids=[id]))["found"] == []
        assert (await called(bob, "studio_previews", ids=[id]))["previews"] == {id: ""}
        assert (await called(bob, "studio_delete", ids=[id]))["not_found"] == [id]
        assert (await bob.call_tool("studio_file", {"id": id})).is_error


@exhaustive
async def test_over_http_an_older_client_is_known_by_its_session_id(server: Server) -> None:
    async with server.mcp("alice", mode="legacy", extensions=APPS["extensions"]) as older:
        assert "studio_images" in {tool.name for tool in (await older.list_tools()).tools}
        assert URI in [resource.uri for resource in (await older.list_resources()).resources]
    async with server.mcp(mode="legacy") as plain:
        assert "studio_images" not in {tool.name for tool in (await plain.list_tools()).tools}
    with server.web() as web:
        headers = {"Accept": "application/json, text/event-stream"}
        answers = [web.post("/mcp", json={"jsonrpc": "2.0", **hello}, headers=headers) for hello in (PLAIN, CAPABLE)]
    assert [answer.headers.get("mcp-session-id", "none")[:5] for answer in answers] == ["none", "apps-"]
