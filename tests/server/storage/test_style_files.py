"""Styles in a bucket: the operator's, a caller's own, and what the store refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from mcp.client import Client

from atelier.providers.core.errors import ImageError
from atelier.providers.styles.library import MAX_STYLES
from atelier.providers.testing.emulators.stability import Stability
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from atelier.server.storage.caller_storages import CallerStorages
from tests.conftest import TODAY, Environ
from tests.exhaustive import exhaustive
from tests.server.mcp.test_server import error, text
from tests.server.storage.conftest import Place
from tests.server.storage.test_upload_queue import in_the_bucket

pytestmark = pytest.mark.anyio


async def test_styles_are_below_a_prefix_of_the_bucket(place: Place, environ: Environ) -> None:
    settings = Settings.from_environ(environ | in_the_bucket(place, place.server.url) | {"ATELIER_S3_PREFIX": "art"})
    storages = CallerStorages(settings)
    shared, own = storages.styles_of_customer(), storages.styles_of_caller("alice")
    where = await shared.save("noir", "dark", overwrite=False)
    assert await own.save("mine", "light", overwrite=False) == ""
    with pytest.raises(ImageError, match="There is a style “noir”"):
        await own.save("noir", "x", overwrite=False)
    assert place.objects == ["art/customers/alice/styles/mine.md", "art/styles/noir.md"]
    assert where == f"art/styles/noir.md of the bucket {place.name}"
    assert (await shared.names(), await own.names()) == (["noir"], ["mine", "noir"])
    assert await storages.styles_of_caller("bob").names() == ["noir"]
    found = await own.find("NOIR")
    assert found is not None
    assert found.style.words == "dark"
    assert await found.files.read("gone.png", 100) is None
    with pytest.raises(ImageError, match="larger"):
        await found.files.read("noir.md", 2)


async def test_a_folder_that_is_named_comes_before_the_bucket(place: Place, environ: Environ) -> None:
    named = {"ATELIER_STYLES_DIR": environ["ATELIER_STATE_DIR"] + "/looks"}
    library = CallerStorages(Settings.from_environ(environ | in_the_bucket(place, place.server.url) | named))
    await library.styles_of_customer().save("noir", "dark", overwrite=False)
    assert place.objects == []


async def test_one_place_takes_a_limited_number_of_files(environ: Environ) -> None:
    library = CallerStorages(Settings.from_environ(environ)).styles_of_caller("alice")
    own = Path(environ["ATELIER_OUTPUT_DIR"]) / "customers" / "alice" / "styles"
    own.mkdir(parents=True)
    for number in range(MAX_STYLES):
        (own / f"s{number}.md").write_text("x", encoding="utf-8")
    with pytest.raises(ImageError, match="no more are taken"):
        await library.save("another", "x", overwrite=False)
    await library.save("s1", "y", overwrite=True)
    assert len(await library.names()) == MAX_STYLES


@exhaustive
async def test_presets_work_while_the_bucket_is_away(environ: Environ, stability: Stability) -> None:
    environ |= {
        "ATELIER_STORAGE": "s3",
        "ATELIER_S3_BUCKET": "pictures",
        "ATELIER_S3_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    environ |= {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    environ |= {"STABILITY_API_KEY": stability.key, "STABILITY_BASE_URL": stability.url}
    asked = {"prompt": "a fox", "model": "stable-image-core"}
    async with Client(build_server(Settings.from_environ(environ), lambda: TODAY)) as client:
        preset = await client.call_tool("generate_image", {**asked, "style": "anime"})
        own = await client.call_tool("generate_image", {**asked, "style": "noir"})
        models = await client.call_tool("list_models", {})
    assert not preset.is_error, text(preset)
    assert error(own)["reason"] == "storage_failed"
    assert not models.is_error
    assert len(stability.requests) == 1
